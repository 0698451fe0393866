package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weft/jetstream/api"
)

// A repair is what happens between two times in which a pipeline flows.
type repair struct {
	begun time.Time
	tries int
	lost  bool  // the stream may have forgotten the ids of what is in flight
	err   error // of the last try
	told  bool
}

// run takes the pipeline from state to state until it is abandoned.
func (p *Pipeline) run() {
	defer close(p.done)
	epoch := p.to.stream.leader.Epoch() // in which what is in flight was sent
	r := repair{begun: time.Now()}      // it may be broken already
	for p.ctx.Err() == nil {
		switch p.current() {
		case flowing:
			epoch = p.watch(epoch)
			r = repair{begun: time.Now()}
		case broken:
			r.tries++
			if r.lost = r.lost || p.outlasted(); r.lost {
				p.enterState(searching)
			} else {
				p.enterState(probing)
			}
		case searching:
			if r.err = p.settleStored(); r.err == nil {
				p.enterState(probing)
			} else {
				p.enterState(waiting)
			}
		case probing:
			if r.err = p.storeOldest(); r.err != nil {
				p.enterState(waiting)
				continue
			}
			epoch = p.resume(&r)
			r = repair{begun: time.Now()} // it may be broken again already
		case waiting:
			p.pause(&r)
			p.enterState(broken)
		}
	}
}

func (p *Pipeline) current() state {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// enterState goes on to another state of a repair. Flowing is entered by resume, and left
// by breakLocked.
func (p *Pipeline) enterState(next state) {
	p.mu.Lock()
	p.state = next
	p.mu.Unlock()
}

// watch returns when the flow has ended, with the epoch of the stream's leader then. It
// ends it itself when nothing is settled for too long, or when another node leads.
func (p *Pipeline) watch(epoch context.Context) context.Context {
	tick := time.NewTicker(stallAfter / 4)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return epoch
		case <-p.broke:
			return epoch
		case <-epoch.Done(): // it may have taken answers with it
			epoch = p.to.stream.leader.Epoch()
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

// pause waits, longer for each try: a new leader takes events a moment after it has
// said that it leads.
func (p *Pipeline) pause(r *repair) {
	if !r.told && time.Since(r.begun) > stallAfter {
		r.told = true
		p.to.params.Log.Warn("store does not take events; waiting", "err", r.err)
	}
	api.Sleep(p.ctx, min(repairPause*time.Duration(r.tries), time.Second))
}

// resume sends all that is in flight again, in order, and lets the pipeline flow. It
// returns the epoch of the leader in which it did.
func (p *Pipeline) resume(r *repair) (epoch context.Context) {
	epoch = p.to.stream.leader.Epoch()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return epoch
	}
	if r.told {
		p.to.params.Log.Info("store takes events again", "after", time.Since(r.begun).Round(time.Millisecond))
	}
	p.state = flowing
	p.progress = time.Now()
	for n := p.oldest; n != p.next && p.state == flowing; n++ {
		if s := &p.ring[n%uint64(len(p.ring))]; s.msg != nil {
			p.sendLocked(n, s)
		}
	}
	return epoch
}

// outlasted reports whether the stream may have forgotten the ids of what is in
// flight.
func (p *Pipeline) outlasted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.oldest != p.next && time.Since(p.progress) > p.trust
}

// settleStored settles the events in flight whose ids are stored.
func (p *Pipeline) settleStored() error {
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
		known, err := p.to.hasID(p.ctx, subject, id)
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

// storeOldest sends the oldest event and waits for its answer. Each try has a
// sending of its own.
func (p *Pipeline) storeOldest() error {
	p.mu.Lock()
	if p.oldest == p.next {
		p.mu.Unlock()
		return nil
	}
	if p.to.params.DiskFull() {
		p.mu.Unlock()
		return api.ErrDiskFull
	}
	s := &p.ring[p.oldest%uint64(len(p.ring))]
	answers := make(chan error, 1)
	s.answers = answers
	epoch := p.to.stream.leader.Epoch()
	p.sending++
	p.sendLocked(p.oldest, s)
	p.mu.Unlock()

	timer := time.NewTimer(stallAfter)
	defer timer.Stop()
	var err error
	select {
	case err = <-answers:
	case <-timer.C:
		err = api.ErrUnavailable
	case <-epoch.Done():
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
