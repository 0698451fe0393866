package test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	"weft/test/client"
)

const (
	// resetMark stands for a reset among the numbers that a follower has seen.
	resetMark = -1
	// endMark is the number of the event that says that all is over.
	endMark = -2
)

// A follower is one device of a user. Its connection drops at random and comes back
// on any transport with the last id.
type follower struct {
	at     func() string // the origin of a node that it may turn to
	token  string
	random *rand.Rand

	mu      sync.Mutex
	id      string
	log     []int // numbers and resetMarks in the order in which they came
	over    bool  // the end mark has come
	lastErr error
	changed chan struct{}
}

func newFollower(url, token string, random *rand.Rand) *follower {
	return &follower{at: func() string { return url }, token: token, random: random, changed: make(chan struct{})}
}

// run follows until the context ends.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		kind := client.Transports[f.random.IntN(len(client.Transports))]
		life, cancel := context.WithTimeout(ctx, 200*time.Millisecond+time.Duration(f.random.Int64N(int64(4*time.Second))))
		err := f.follow(life, kind)
		cancel()
		f.mu.Lock()
		f.lastErr = fmt.Errorf("over %s: %w", kind, err)
		f.mu.Unlock()
		pause(ctx, 50*time.Millisecond+time.Duration(f.random.Int64N(int64(300*time.Millisecond))))
	}
}

// follow holds one connection until it or the context ends.
func (f *follower) follow(ctx context.Context, kind client.Transport) error {
	target := client.Target{URL: f.at(), Token: f.token, LastID: f.lastID(), LastIDInQuery: f.random.IntN(2) == 0}
	if kind == client.Poll {
		target.Query = url.Values{"wait": {"2s"}}
	}
	stream, err := client.Open(ctx, kind, target)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		e, err := stream.Next()
		if err != nil {
			return err
		}
		if err := f.take(e); err != nil {
			return err
		}
	}
}

func (f *follower) take(e client.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case e.Type == client.TypeReset:
		f.log = append(f.log, resetMark)
	case !e.InBand():
		var v chaosRecord
		if err := json.Unmarshal(e.Data, &v); err != nil {
			return fmt.Errorf("decode event %q: %w", e.Data, err)
		}
		if v.N == endMark {
			f.over = true
		} else {
			f.log = append(f.log, v.N)
		}
	}
	if e.ID != "" {
		f.id = e.ID
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return nil
}

func (f *follower) lastID() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.id
}

func (f *follower) seen() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// await waits until ok, which is called with the lock held.
func (f *follower) await(ctx context.Context, ok func() bool) error {
	for {
		f.mu.Lock()
		done, changed, err, n := ok(), f.changed, f.lastErr, len(f.log)
		f.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w after %d events; the last connection ended with: %v", ctx.Err(), n, err)
		}
	}
}

// awaitID waits until the follower holds an id for the first time.
func (f *follower) awaitID(ctx context.Context) error {
	return f.await(ctx, func() bool { return f.id != "" })
}

// ended says whether the end mark has come.
func (f *follower) ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over
}

// state says how far the follower has come, for the message of a failed test.
func (f *follower) state() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("%d events, id %q; the last connection ended with: %v", len(f.log), f.id, f.lastErr)
}
