package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"weft/edge/auth"
	"weft/edge/problem"
	"weft/edge/session"
)

// A Change is what both a WebSocket client and PATCH of a connection may ask.
type Change struct {
	Subscribe   []Subscription `json:"subscribe"`
	Unsubscribe []string       `json:"unsubscribe"`
	// Set, when it is there, is all that is to be asked for.
	Set         *[]Subscription `json:"set,omitempty"`
	LastEventID string          `json:"last_event_id"`
	Token       string          `json:"token"`
}

// A Subscription is a subject, or an object of a subject and types; without types it is
// written and read as a subject alone.
type Subscription session.Subscription

// object is the form of a subscription that has types.
type object struct {
	Subject string   `json:"subject"`
	Type    []string `json:"type"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Subscription) UnmarshalJSON(data []byte) error {
	*s = Subscription{}
	if len(data) > 0 && data[0] == '{' {
		var o object
		if err := decodeStrict(bytes.NewReader(data), &o); err != nil {
			return err
		}
		s.Subject, s.Types = o.Subject, o.Type
		return nil
	}
	return json.Unmarshal(data, &s.Subject)
}

// MarshalJSON implements json.Marshaler.
func (s Subscription) MarshalJSON() ([]byte, error) {
	if s.Types == nil {
		return json.Marshal(s.Subject)
	}
	return json.Marshal(object{s.Subject, s.Types})
}

// Empty reports whether it asks for nothing.
func (c *Change) Empty() bool {
	return len(c.Subscribe) == 0 && len(c.Unsubscribe) == 0 && c.Set == nil && c.Token == ""
}

// Modern reports whether it has something that nodes which know no set, and no types of
// a subject, do not understand.
func (c *Change) Modern() bool {
	return c.Set != nil || slices.ContainsFunc(c.Subscribe, func(s Subscription) bool { return s.Types != nil })
}

// Check reports, with a problem, what contradicts itself in a change.
func (c *Change) Check() error {
	if c.Set != nil && len(c.Subscribe)+len(c.Unsubscribe) > 0 {
		return problem.New(problem.BadRequest, "set stands without subscribe and unsubscribe: it is all that is asked for")
	}
	return nil
}

// Session is the change as a session makes it, with the identity of its token, if any.
func (c *Change) Session(id *auth.Identity) session.Change {
	made := session.Change{Identity: id, Unsubscribe: c.Unsubscribe, LastID: c.LastEventID, Set: c.Set != nil}
	asked := c.Subscribe
	if c.Set != nil {
		asked = *c.Set
	}
	for _, s := range asked {
		made.Subscribe = append(made.Subscribe, session.Subscription(s))
	}
	return made
}

// ReadChange reads exactly one change, without unknown fields.
func ReadChange(r io.Reader) (c Change, err error) {
	err = decodeStrict(r, &c)
	return c, err
}

// decodeStrict reads exactly one JSON value without unknown fields.
func decodeStrict(r io.Reader, into any) error {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
