// Package follow is a user's device as the tests of faults need it: one that is
// disconnected, comes back over any transport with its last id, and remembers
// every numbered event and every reset. Count compares that with what there was to
// see and finds each loss, duplicate, reordering and false reset.
package follow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
)

const (
	// Reset stands for a reset among the numbers that a follower has seen.
	Reset = -1
	// End is the number of an event that says that all is over.
	End = -2
)

// An Entry is an event or a reset as it came.
type Entry struct {
	N          int // the event's number, or Reset
	ID         string
	At         time.Time
	Connection int       // counts the follower's connections from 1
	Since      time.Time // when the connection brought the first word
	Node       string    // that the connection is at; empty for a poll, which does not say
	Over       client.Transport
}

// An Absence is a time without a connection that the device wanted to have.
type Absence struct {
	// Since is when it might come back: when the connection ended, or after the time
	// for which the gateway asked it to stay away last.
	Since time.Time
	For   time.Duration
	Tries int
	Err   error // how the last try before the successful one ended
}

// Numbers returns those of the entries.
func Numbers(entries []Entry) []int {
	numbers := make([]int, len(entries))
	for i, e := range entries {
		numbers[i] = e.N
	}
	return numbers
}

// Habits are how a device behaves.
type Habits struct {
	// Origin says where to connect, each time anew: http://host:port.
	Origin func() string
	Token  string
	// Wait is what a poll asks for at most, 0 for two seconds.
	Wait time.Duration
	// From is the id to begin with, empty for a new device.
	From string
	// Transports are those that it picks one of, at random, for each connection.
	Transports []client.Transport
	Random     *rand.Rand
	// Life is how long it stays connected before it leaves by itself; nil: for ever.
	Life func(*rand.Rand) time.Duration
	// Away is how long it stays away after its connection has ended, unless the
	// gateway asked for longer.
	Away func(*rand.Rand) time.Duration
	// Patience is how long it takes a silence, keep-alives included, before it
	// makes a new connection; 0: for ever.
	Patience time.Duration
}

// A Follower is one device of a user. Its methods may be called concurrently.
type Follower struct {
	habits Habits

	mu          sync.Mutex
	id          string
	log         []Entry
	connections int
	node        string
	since       time.Time // when the connection brought the first word
	gone        *Absence  // the one that lasts
	absences    []Absence
	over        bool
	lastErr     error
	changed     chan struct{} // closed and replaced when any of the above changes
}

// New makes a follower; Run follows.
func New(habits Habits) *Follower {
	return &Follower{habits: habits, id: habits.From, changed: make(chan struct{})}
}

// Run follows until the context ends.
func (f *Follower) Run(ctx context.Context) {
	for ctx.Err() == nil {
		kind := f.habits.Transports[f.habits.Random.IntN(len(f.habits.Transports))]
		life, cancel := ctx, func() {}
		if f.habits.Life != nil {
			life, cancel = context.WithTimeout(ctx, f.habits.Life(f.habits.Random))
		}
		retry, err := f.follow(life, kind)
		own := life.Err() != nil
		cancel()
		if own {
			retry = 0
		}
		f.ended(kind, own, retry, err)
		waitfor.Time(ctx, max(f.habits.Away(f.habits.Random), retry))
	}
}

// ended notes the end of a connection. What the device left by itself is no
// absence, nor is the time that the gateway asked it to stay away.
func (f *Follower) ended(kind client.Transport, own bool, retry time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastErr = fmt.Errorf("over %s: %w", kind, err)
	switch {
	case own:
		f.gone = nil
	case f.gone == nil && f.connections > 0:
		f.gone = &Absence{Since: time.Now()}
	}
	if f.gone != nil {
		if retry > 0 {
			f.gone.Since = time.Now().Add(retry)
		}
		f.gone.Tries++
		f.gone.Err = f.lastErr
	}
	f.node = ""
}

// follow holds one connection until it or the context ends, and returns for how long
// the gateway wants the device to stay away.
func (f *Follower) follow(ctx context.Context, kind client.Transport) (retry time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	target := client.Target{URL: f.habits.Origin(), Token: f.habits.Token, LastID: f.LastID(),
		LastIDInQuery: f.habits.Random.IntN(2) == 0}
	if kind == client.Poll {
		target.Query = url.Values{"wait": {cmp.Or(f.habits.Wait, 2*time.Second).String()}}
	}
	alive := func() {}
	if f.habits.Patience > 0 {
		silence := time.AfterFunc(f.habits.Patience, cancel)
		defer silence.Stop()
		alive = func() { silence.Reset(f.habits.Patience) }
	}
	stream, err := client.Open(ctx, kind, target)
	if err != nil {
		if refused, ok := errors.AsType[*client.StatusError](err); ok {
			retry = refused.Wait()
		}
		return retry, err
	}
	defer stream.Close()
	for first := true; ; first = false {
		e, err := stream.Next()
		if err != nil {
			return stream.Retry(), err
		}
		alive()
		if e.Type == client.TypeClose {
			var told client.Ending
			if err := json.Unmarshal(e.Data, &told); err != nil {
				return stream.Retry(), fmt.Errorf("decode weft.close %q: %w", e.Data, err)
			}
			return max(stream.Retry(), time.Duration(told.Retry)*time.Millisecond), fmt.Errorf("told %s", e.Data)
		}
		if err := f.take(kind, first, e); err != nil {
			return 0, err
		}
	}
}

// take notes what came; first says that the connection brought nothing before.
func (f *Follower) take(kind client.Transport, first bool, e client.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if first {
		f.connections++
		f.since = now
		if f.gone != nil {
			f.gone.For = now.Sub(f.gone.Since)
			f.absences = append(f.absences, *f.gone)
			f.gone = nil
		}
	}
	entry := Entry{N: Reset, ID: e.ID, At: now, Connection: f.connections, Since: f.since, Node: f.node, Over: kind}
	switch {
	case e.Type == client.TypeOpen:
		var o client.Opened
		if json.Unmarshal(e.Data, &o) == nil {
			f.node = o.Node
		}
	case e.Type == client.TypeReset:
		f.log = append(f.log, entry)
	case !e.InBand():
		var v struct {
			N int `json:"n"`
		}
		if err := json.Unmarshal(e.Data, &v); err != nil {
			return fmt.Errorf("decode event %q: %w", e.Data, err)
		}
		if entry.N = v.N; v.N == End {
			f.over = true
		} else {
			f.log = append(f.log, entry)
		}
	}
	if e.ID != "" {
		f.id = e.ID
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return nil
}

// LastID is the id from which the next connection resumes.
func (f *Follower) LastID() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.id
}

// Node is where the device is connected, empty when it is not, or by polling.
func (f *Follower) Node() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.node
}

// Seen returns what has come so far, in that order.
func (f *Follower) Seen() []Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// Take returns what has come since the last call, and the absences that have ended.
func (f *Follower) Take() (seen []Entry, absences []Absence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen, absences = f.log, f.absences
	f.log, f.absences = nil, nil
	return seen, absences
}

// Ended says whether the event End has come.
func (f *Follower) Ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over
}

// AwaitID waits until the follower holds an id: it misses nothing from then on.
func (f *Follower) AwaitID(ctx context.Context) error {
	return f.await(ctx, func() bool { return f.id != "" })
}

// AwaitNumber waits until the last event of that number has come.
func (f *Follower) AwaitNumber(ctx context.Context, n int) error {
	return f.await(ctx, func() bool {
		return slices.ContainsFunc(f.log, func(e Entry) bool { return e.N == n })
	})
}

// await waits until ok, which is called with the lock held.
func (f *Follower) await(ctx context.Context, ok func() bool) error {
	for {
		f.mu.Lock()
		done, changed := ok(), f.changed
		f.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w after %s", ctx.Err(), f)
		}
	}
}

// String says how far the follower has come, for the message of a failed test.
func (f *Follower) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.node
	if at == "" {
		at = "no node that it knows"
	}
	return fmt.Sprintf("%d events, id %q, connection %d at %s; the one before ended with: %v",
		len(f.log), f.id, f.connections, at, f.lastErr)
}
