package cloudevent

import (
	"errors"
	"fmt"

	"weft/bridge/pointer"
)

// ErrMany is returned by Split for a batch of more events than are wanted.
var ErrMany = errors.New("too many events in a batch")

// Split returns the events of a batch as they are written, each a part of doc.
// The whole batch is checked to be JSON, once; that each is an event is for Read
// to say. Beyond most events it fails with ErrMany.
func Split(doc []byte, most int) ([]pointer.Document, error) {
	batch, err := pointer.Parse(doc)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	list, ok := batch.Elements()
	if !ok {
		return nil, fmt.Errorf("%w: a batch is a JSON list", ErrEvent)
	}
	var events []pointer.Document
	for event := range list {
		if len(events) == most {
			return nil, ErrMany
		}
		events = append(events, event)
	}
	return events, nil
}
