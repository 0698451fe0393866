package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Answer is the body of a long poll.
type Answer struct {
	Events      []Frame `json:"events"`
	LastEventID string  `json:"last_event_id"`
	Reset       bool    `json:"reset"`
	// Presence are the present states of the presence that is followed, and PresenceID is
	// what the next poll says to have them.
	Presence   []json.RawMessage `json:"presence"`
	PresenceID string            `json:"presence_id"`
}

// PollOnce asks once.
func PollOnce(ctx context.Context, target Target) (Answer, error) {
	resp, err := get(ctx, target, "application/json")
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	if err := json.Unmarshal(body, &a); err != nil {
		return Answer{}, fmt.Errorf("decode answer: %w", err)
	}
	return a, nil
}

// pollStream makes one stream of many polls. What the other transports say in
// band, a poll says in fields; here it becomes the same in-band events.
type pollStream struct {
	ctx     context.Context
	cancel  context.CancelFunc
	target  Target
	opened  bool
	pending []Event
	states  []json.RawMessage // of presence, as the last answer had them
}

func openPoll(ctx context.Context, target Target) *pollStream {
	ctx, cancel := context.WithCancel(ctx)
	return &pollStream{ctx: ctx, cancel: cancel, target: target}
}

func (p *pollStream) Next() (Event, error) {
	for len(p.pending) == 0 {
		if err := p.ask(); err != nil {
			return Event{}, err
		}
	}
	e := p.pending[0]
	p.pending = p.pending[1:]
	return e, nil
}

func (p *pollStream) ask() error {
	a, err := PollOnce(p.ctx, p.target)
	if err != nil {
		return err
	}
	if a.LastEventID == "" {
		return fmt.Errorf("answer without last_event_id")
	}
	if a.Reset {
		p.pending = append(p.pending, Event{Type: TypeReset, ID: a.LastEventID})
	}
	for i := range a.Events {
		e, err := a.Events[i].event()
		if err != nil {
			return err
		}
		p.pending = append(p.pending, e)
	}
	for _, state := range a.Presence {
		if !slices.ContainsFunc(p.states, func(had json.RawMessage) bool { return bytes.Equal(had, state) }) {
			p.pending = append(p.pending, Event{Type: TypePresence, Data: state})
		}
	}
	if p.states = a.Presence; a.PresenceID != "" {
		query := maps.Clone(p.target.Query)
		query.Set("presence", a.PresenceID)
		p.target.Query = query
	}
	last := Event{Type: TypeKeepalive, ID: a.LastEventID}
	if !p.opened {
		last.Type, p.opened = TypeOpen, true
	}
	p.pending = append(p.pending, last)
	p.target.LastID = a.LastEventID
	return nil
}

// Retry is 0: a poll that is to wait is refused, by a StatusError that says so.
func (p *pollStream) Retry() time.Duration { return 0 }

func (p *pollStream) Close() { p.cancel() }
