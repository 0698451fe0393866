package cloudevent

import (
	"fmt"

	"weft/bridge/pointer"
)

// Split returns the events of a batch as they are written, each a part of doc.
// The whole batch is checked to be JSON, once; that each is an event is for Read
// to say. It fails beyond most events.
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
			return nil, fmt.Errorf("%w: more than %d events in a batch", ErrEvent, most)
		}
		events = append(events, event)
	}
	return events, nil
}
