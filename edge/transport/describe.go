package transport

import (
	"encoding/json"
	"time"

	"weft/edge/openapi"
	"weft/edge/session"
	"weft/edge/wire"
	"weft/jetstream/event"
)

// A Polled is the body that answers a long poll, as its readers see it. What writes it is
// poll.write, of parts that are spelt already.
type Polled struct {
	Events      []PolledEvent `json:"events"`
	LastEventID string        `json:"last_event_id"`
	Reset       bool          `json:"reset"`
	Resets      []Reset       `json:"resets,omitempty"`
	Close       *Farewell     `json:"close,omitempty"`
	Presence    []Presence    `json:"presence,omitempty"`
	PresenceID  string        `json:"presence_id,omitempty"`
}

// A PolledEvent is an event as format= says.
type PolledEvent struct{}

// JSONSchemaAnyOf are the forms of an event: the last one is a payload, which may be anything.
func (PolledEvent) JSONSchemaAnyOf() []any {
	return []any{Frame{}, CloudEvent{}, json.RawMessage{}}
}

// A Frame is an event in format=frame.
type Frame struct {
	ID         string            `json:"id"`
	Event      string            `json:"event"`
	Subject    string            `json:"subject"`
	Type       string            `json:"type,omitempty"`
	CloudEvent map[string]string `json:"cloudevent,omitempty"`
	Data       any               `json:"data,omitempty"`
	DataBase64 []byte            `json:"data_base64,omitempty"`
}

// A CloudEvent is an event in format=cloudevents; other attributes may stand beside these.
type CloudEvent struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Type        string `json:"type"`
	WeftCursor  string `json:"weftcursor"`
	WeftEvent   string `json:"weftevent"`
	WeftSubject string `json:"weftsubject"`
	Data        any    `json:"data,omitempty"`
	DataBase64  []byte `json:"data_base64,omitempty"`
}

// A Reset is the data of weft.reset.
type Reset struct {
	Subjects []string `json:"subjects"`
	Reason   string   `json:"reason"`
}

// Presence is the data of weft.presence.
type Presence struct {
	User        string   `json:"user,omitempty"`
	Topic       string   `json:"topic,omitempty"`
	Online      bool     `json:"online"`
	Connections int      `json:"connections"`
	Complete    *bool    `json:"complete,omitempty"`
	Devices     []Device `json:"devices,omitempty"`
}

// A Device is one of the connections of a user, for those who may see them.
type Device struct {
	ID        string    `json:"id"`
	Node      string    `json:"node"`
	Transport string    `json:"transport"`
	Since     time.Time `json:"since"`
	Agent     string    `json:"agent,omitempty"`
	Device    string    `json:"device,omitempty"`
}

// Meanings are those of Parameters.
func Meanings() map[string]openapi.Param {
	subjects := openapi.Followed("follow this, too, such as `topic.hotel.42`; wildcards where they are granted")
	subjects.Most = session.MaxSubjects
	types := openapi.EventType("only `order.shipped`, or `order.*`, of all that is followed")
	types.Most = session.MaxTypes
	types.Schema["minLength"] = 1
	types.Schema["maxLength"] = event.MaxTypeBytes + len(".*")
	device := openapi.String("what the client calls itself, such as `Ann's phone`")
	device.Schema["maxLength"] = maxDevice // letters that can be shown have a byte at least
	return map[string]openapi.Param{
		"subject":       subjects,
		"type":          types,
		"last_event_id": openapi.String("resume after this id; the header `Last-Event-ID` wins"),
		"since":         openapi.String("without an id: begin with what is stored since then, `1h` (ago), a time (`2026-01-02T15:04:05Z`), or `all`"),
		"format": openapi.OneOf("what one gets of an event; the standard is `payload` over Server-Sent Events, else `frame`",
			wire.ShapeNames()...),
		"wait":     openapi.Duration("long poll: how long, at most `60s`; a number is seconds").Standard(defaultWait.String()),
		"presence": openapi.String("long poll: the `presence_id` of the last answer"),
		"device":   device,
	}
}

// ChangeSchema is the body of a PATCH, as ReadChange reads it.
func ChangeSchema() openapi.Schema {
	list := func(most int, of openapi.Schema) openapi.Schema {
		return openapi.Schema{"type": "array", "items": of, "maxItems": most}
	}
	text, typ := openapi.Followed("").Schema, openapi.EventType("").Schema
	subscription := openapi.Schema{"anyOf": []openapi.Schema{text, {
		"type": "object", "additionalProperties": false, "required": []string{"subject"},
		"properties": openapi.Schema{"subject": text, "type": list(session.MaxTypes, typ)},
	}}}
	return openapi.Schema{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": openapi.Schema{
		"subscribe": list(session.MaxSubjects, subscription), "unsubscribe": list(session.MaxSubjects, text), "set": list(session.MaxSubjects, subscription),
		"last_event_id": openapi.Schema{"type": "string"}, "token": openapi.Schema{"type": "string"},
	}}
}
