package cloudevent

import (
	"bytes"
	"encoding/json"
	"fmt"

	"weft/bridge/pointer"
)

// Split returns the events of a batch as they are written, each a part of doc.
// It fails beyond most events.
func Split(doc []byte, most int) ([][]byte, error) {
	if !pointer.Valid(doc) {
		return nil, fmt.Errorf("%w: %w", ErrEvent, pointer.ErrJSON)
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	if open, err := dec.Token(); err != nil || open != json.Delim('[') {
		return nil, fmt.Errorf("%w: a batch is a JSON list", ErrEvent)
	}
	var events [][]byte
	for dec.More() {
		if len(events) == most {
			return nil, fmt.Errorf("%w: more than %d events in a batch", ErrEvent, most)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("%w: event %d: %w", ErrEvent, len(events), err)
		}
		events = append(events, raw)
	}
	return events, nil
}
