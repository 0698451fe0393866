package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// maxPoll bounds the answer to one poll, in bytes.
const maxPoll = 64 << 20

// A node that stops answers polls at once and without events. To ask again and
// again would keep both busy.
const emptyPoll = time.Second

var errEmptyPoll = errors.New("the node answered at once without events")

// followPoll follows by long polls, one after the other.
func followPoll(ctx context.Context, f *Follower, lastID string, emit func(Frame) error) error {
	var presence pollPresence
	for {
		begun := time.Now()
		answer, err := poll(ctx, f, lastID, presence.id)
		if err != nil {
			return err
		}
		if answer.LastEventID == "" {
			answer.LastEventID = lastID
		}
		if len(answer.Events) == 0 && len(answer.Resets) == 0 && answer.Close == nil && (answer.PresenceID == "" || answer.PresenceID == presence.id) && answer.LastEventID == lastID && time.Since(begun) < emptyPoll {
			return errEmptyPoll
		}
		for _, reset := range answer.Resets {
			if err := emit(Frame{Type: TypeReset, Data: reset}); err != nil {
				return err
			}
		}
		for _, state := range presence.news(&answer) {
			if err := emit(Frame{Type: TypePresence, Data: state}); err != nil {
				return err
			}
		}
		for _, frame := range answer.Events {
			if err := emit(frame); err != nil {
				return err
			}
		}
		// The answer's own id can be beyond that of its last event.
		if answer.LastEventID != lastID {
			lastID = answer.LastEventID
			if err := emit(Frame{ID: lastID, Type: TypeKeepalive}); err != nil {
				return err
			}
		}
		if answer.Close != nil {
			if err := emit(Frame{Type: TypeClose, Data: answer.Close}); err != nil {
				return err
			}
		}
	}
}

type pollAnswer struct {
	Events      []Frame           `json:"events"`
	LastEventID string            `json:"last_event_id"`
	Resets      []json.RawMessage `json:"resets"`
	Close       json.RawMessage   `json:"close"`
	Presence    []json.RawMessage `json:"presence"`
	PresenceID  string            `json:"presence_id"`
}

// A pollPresence is the presence that the last answer told, which has an id of its own.
type pollPresence struct {
	id     string
	states []json.RawMessage
}

// news are the states that the last answer did not tell.
func (p *pollPresence) news(answer *pollAnswer) (news []json.RawMessage) {
	for _, state := range answer.Presence {
		if !slices.ContainsFunc(p.states, func(had json.RawMessage) bool { return bytes.Equal(had, state) }) {
			news = append(news, state)
		}
	}
	if answer.PresenceID != "" { // a node that stops says nothing of it
		p.id, p.states = answer.PresenceID, answer.Presence
	}
	return news
}

func poll(ctx context.Context, f *Follower, lastID, presence string) (pollAnswer, error) {
	var answer pollAnswer
	ctx, cancel := context.WithTimeoutCause(ctx, idleLimit, errIdle)
	defer cancel()
	query := url.Values{}
	if presence != "" {
		query.Set("presence", presence)
	}
	req, err := f.request(ctx, lastID, query)
	if err != nil {
		return answer, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := doWith(f.client, req)
	if err != nil {
		return answer, fmt.Errorf("follow: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("follow: %w", problemOf(res))
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxPoll)).Decode(&answer); err != nil {
		return answer, fmt.Errorf("%w: a poll that is no JSON", errFrame)
	}
	return answer, nil
}
