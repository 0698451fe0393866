package client

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// A Recorder keeps all that one connection brings. Its methods may be called
// concurrently.
type Recorder struct {
	stream Stream
	done   chan struct{}

	mu      sync.Mutex
	events  []Event
	err     error
	changed chan struct{} // closed and replaced with each event and at the end
}

// Record opens a connection and reads it in the background until it ends.
func Record(ctx context.Context, kind Transport, target Target) (*Recorder, error) {
	stream, err := Open(ctx, kind, target)
	if err != nil {
		return nil, err
	}
	r := &Recorder{stream: stream, done: make(chan struct{}), changed: make(chan struct{})}
	go r.read()
	return r, nil
}

func (r *Recorder) read() {
	defer close(r.done)
	for {
		e, err := r.stream.Next()
		r.mu.Lock()
		if err != nil {
			r.err = err
		} else {
			r.events = append(r.events, e)
		}
		close(r.changed)
		r.changed = make(chan struct{})
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Await returns when ok holds of all events so far, in-band ones included. It
// fails when the connection or the context ends first.
func (r *Recorder) Await(ctx context.Context, ok func([]Event) bool) error {
	for {
		r.mu.Lock()
		events, err, changed := slices.Clone(r.events), r.err, r.changed
		r.mu.Unlock()
		if ok(events) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("connection ended after %d events: %w", len(events), err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait in vain; %d events so far: %w", len(events), ctx.Err())
		}
	}
}

// AwaitEvents returns when n events (in-band ones not counted) have come.
func (r *Recorder) AwaitEvents(ctx context.Context, n int) ([]Event, error) {
	var got []Event
	err := r.Await(ctx, func(all []Event) bool {
		got = payloads(all)
		return len(got) >= n
	})
	return got, err
}

// AwaitType returns the first event of the type.
func (r *Recorder) AwaitType(ctx context.Context, typ string) (Event, error) {
	var found Event
	err := r.Await(ctx, func(all []Event) bool {
		i := slices.IndexFunc(all, func(e Event) bool { return e.Type == typ })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found, err
}

// All returns everything so far, in-band events included.
func (r *Recorder) All() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Events returns the events so far without the in-band ones.
func (r *Recorder) Events() []Event { return payloads(r.All()) }

// Count says how many events of the type have come.
func (r *Recorder) Count(typ string) int {
	n := 0
	for _, e := range r.All() {
		if e.Type == typ {
			n++
		}
	}
	return n
}

// LastID is the last id that the connection brought.
func (r *Recorder) LastID() string {
	id := ""
	for _, e := range r.All() {
		if e.ID != "" {
			id = e.ID
		}
	}
	return id
}

// Done is closed when the connection has ended; Err then says how.
func (r *Recorder) Done() <-chan struct{} { return r.done }

// Err is why the connection ended, nil while it is open.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Send sends a command over a WebSocket.
func (r *Recorder) Send(command any) error { return r.stream.(*Socket).Send(command) }

// Close ends the connection and waits for the reader.
func (r *Recorder) Close() {
	r.stream.Close()
	<-r.done
}

func payloads(all []Event) []Event {
	return slices.DeleteFunc(slices.Clone(all), func(e Event) bool { return e.InBand() || e.Type == "answer" })
}
