package proxy

import (
	"context"
	"fmt"
	"time"

	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/blacklist"
)

// Cut ends the requests that a new entry of the blacklist revokes. It does not block.
func (p *Proxy) Cut(e blacklist.Entry) { p.running.cut(e) }

// Running is how many requests are being forwarded, upgraded connections included.
func (p *Proxy) Running() int { return int(p.running.n.Load()) }

// Drain lets requests that run end by themselves for a window, and then ends them: those
// without an answer are told that the node stops. Nobody enters after that. It returns
// when all have ended or ctx ends; then its error says how many were left.
func (p *Proxy) Drain(ctx context.Context, window time.Duration) error {
	p.running.wait(ctx, window)
	p.Close()
	p.running.wait(ctx, time.Hour)
	if n := p.Running(); n > 0 {
		return fmt.Errorf("drain: %d requests left: %w", n, ctx.Err())
	}
	return nil
}

// Close ends all requests and lets nobody enter any more. It does not wait for them, and
// may be called twice.
func (p *Proxy) Close() {
	p.running.endAll(stopping(), true, func(*exchange) bool { return true })
}

// Isolate ends what runs by a token: a node that is cut off from its cluster cannot know
// what was revoked. It returns how many requests that were.
func (p *Proxy) Isolate() int {
	cut := problem.New(problem.NotReady, session.Isolated.Ending().Detail).RetrySoon()
	return p.running.endAll(cut, false, known)
}

// Known reports whether a request runs by a token.
func (p *Proxy) Known() bool {
	for i := range p.running.shards {
		s := &p.running.shards[i]
		s.mu.Lock()
		n := len(s.index[byToken]) + len(s.index[byUser])
		s.mu.Unlock()
		if n > 0 {
			return true
		}
	}
	return false
}

// sweepEvery is how often what nobody asked for in a while is dropped.
const sweepEvery = 10 * time.Second

// Run drops what is not needed any more until ctx ends.
func (p *Proxy) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.lanes.adopt(p.p.Table())
			p.lanes.sweep()
		}
	}
}

func stopping() error {
	return problem.New(problem.Draining, "the node is about to stop; come back to another").RetrySoon()
}
