package ingress

import (
	"encoding/json"
	"errors"

	"weft/bridge/cloudevent"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// Causes of a refusal, as a metric label has them.
const (
	refusedSubject     = "subject"
	refusedType        = "type"
	refusedSize        = "too_large"
	refusedJSON        = "not_json"
	refusedHeader      = "header"
	refusedEvent       = "bad_event"
	refusedRule        = "rule"
	refusedDisk        = "disk_full"
	refusedUnavailable = "store_unavailable"
)

var refusedCauses = []string{refusedSubject, refusedType, refusedSize, refusedJSON, refusedHeader, refusedEvent, refusedRule, refusedDisk, refusedUnavailable}

func refusalCause(err error) string {
	switch {
	case errors.Is(err, errRule):
		return refusedRule
	case errors.Is(err, subject.ErrSubject):
		return refusedSubject
	case errors.Is(err, event.ErrType):
		return refusedType
	case errors.Is(err, event.ErrTooLarge):
		return refusedSize
	case errors.Is(err, event.ErrJSON):
		return refusedJSON
	case errors.Is(err, cloudevent.ErrEvent):
		return refusedEvent
	case errors.Is(err, api.ErrDiskFull):
		return refusedDisk
	case errors.Is(err, api.ErrUnavailable), errors.Is(err, api.ErrRefused):
		return refusedUnavailable
	}
	return refusedHeader
}

// refusalText is the answer to a publish that is not stored, as a stream gives it
// (JetStream API, PubAck with an error).
func refusalText(err error) []byte {
	e := api.Error{Code: 400, ErrCode: 10000, Description: err.Error()}
	switch {
	case errors.Is(err, api.ErrDiskFull):
		e.Code, e.ErrCode = 503, api.CodeStorage
	case errors.Is(err, api.ErrUnavailable):
		e.Code, e.ErrCode = 503, api.CodeUnavailable
	case errors.Is(err, event.ErrTooLarge):
		e.ErrCode = api.CodeTooLarge
	}
	text, err := json.Marshal(struct {
		Error  api.Error `json:"error"`
		Stream string    `json:"stream"`
		Seq    int       `json:"seq"`
	}{Error: e, Stream: event.StreamName})
	if err != nil {
		return nil // a text cannot fail
	}
	return text
}
