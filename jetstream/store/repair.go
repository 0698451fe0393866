package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weft/jetstream/api"
)

// watch notices stalls and repairs the pipeline.
func (p *Pipeline) watch() {
	defer close(p.done)
	tick := time.NewTicker(stallAfter / 4)
	defer tick.Stop()
	term := p.node.leader.Epoch()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.broken:
			term = p.repair()
		case <-term.Done(): // it may have taken answers with it
			term = p.node.leader.Epoch()
			p.mu.Lock()
			if p.oldest != p.next {
				p.breakLocked()
			}
			p.mu.Unlock()
		case now := <-tick.C:
			p.mu.Lock()
			if p.oldest != p.next && now.Sub(p.progress) > stallAfter {
				p.breakLocked()
			}
			p.mu.Unlock()
		}
	}
}

// repair stores the oldest event, alone, however often it takes, and then sends
// the rest. After a long silence it looks first what is stored already. It
// returns the term in which the rest was sent.
func (p *Pipeline) repair() (term context.Context) {
	started := time.Now()
	var logged, long bool
	for tries := 1; p.ctx.Err() == nil; tries++ {
		long = long || p.outlasted()
		err := p.settleStored(long)
		if err == nil {
			err = p.storeOldest()
		}
		if err == nil {
			break
		}
		if !logged && time.Since(started) > stallAfter {
			logged = true
			p.node.log.Warn("store does not take events; waiting", "err", err)
		}
		api.Sleep(p.ctx, min(repairPause*time.Duration(tries), time.Second))
	}
	term = p.node.leader.Epoch()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return term
	}
	if logged {
		p.node.log.Info("store takes events again", "after", time.Since(started).Round(time.Millisecond))
	}
	p.repairing = false
	p.progress = time.Now()
	for n := p.oldest; n != p.next && !p.repairing; n++ {
		if s := &p.ring[n%uint64(len(p.ring))]; s.msg != nil {
			p.sendLocked(n, s)
		}
	}
	return term
}

// outlasted reports whether the stream may have forgotten the ids of what is in
// flight.
func (p *Pipeline) outlasted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.oldest != p.next && time.Since(p.progress) > p.trust
}

// settleStored settles the events in flight whose ids are stored, when long is
// set: to send them again would store them twice.
func (p *Pipeline) settleStored(long bool) error {
	if !long {
		return nil
	}
	p.mu.Lock()
	from, until := p.oldest, p.next
	p.mu.Unlock()
	for n := from; n < until; n++ {
		p.mu.Lock()
		s := &p.ring[n%uint64(len(p.ring))]
		pending, subject, id := n >= p.oldest && s.msg != nil, s.event.Subject, s.event.ID
		p.mu.Unlock()
		if !pending || id.IsZero() {
			continue
		}
		known, err := p.node.HasID(p.ctx, subject, id)
		if err != nil {
			return err
		}
		p.mu.Lock()
		if known && n >= p.oldest && s.msg != nil { // no answer came meanwhile
			p.settleSlotLocked(s, nil)
		}
		p.mu.Unlock()
	}
	return nil
}

// storeOldest sends the oldest event and waits for its answer. Each try has an
// epoch of its own.
func (p *Pipeline) storeOldest() error {
	p.mu.Lock()
	if p.oldest == p.next {
		p.mu.Unlock()
		return nil
	}
	if p.node.diskFull() {
		p.mu.Unlock()
		return api.ErrDiskFull
	}
	s := &p.ring[p.oldest%uint64(len(p.ring))]
	answers := make(chan error, 1)
	s.answers = answers
	term := p.node.leader.Epoch()
	p.epoch++
	p.sendLocked(p.oldest, s)
	p.mu.Unlock()

	timer := time.NewTimer(stallAfter)
	defer timer.Stop()
	var err error
	select {
	case err = <-answers:
	case <-timer.C:
		err = api.ErrUnavailable
	case <-term.Done():
		err = fmt.Errorf("%w: %w", api.ErrUnavailable, api.ErrLedByAnother)
	case <-p.ctx.Done():
		err = ErrAbandoned
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.answers = nil
	if p.ctx.Err() != nil {
		return ErrAbandoned
	}
	if err == nil || errors.Is(err, api.ErrRefused) {
		p.settleSlotLocked(s, err)
		return nil
	}
	return err
}
