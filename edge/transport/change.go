package transport

import (
	"encoding/json"
	"errors"
	"io"
)

// A Change is what both a WebSocket client and PATCH of a connection may ask.
type Change struct {
	Subscribe   []string `json:"subscribe"`
	Unsubscribe []string `json:"unsubscribe"`
	LastEventID string   `json:"last_event_id"`
	Token       string   `json:"token"`
}

// Empty reports whether it asks for nothing.
func (c *Change) Empty() bool {
	return len(c.Subscribe) == 0 && len(c.Unsubscribe) == 0 && c.Token == ""
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
