// Package client follows events as a front end would, over Server-Sent Events,
// WebSocket and long polling, and speaks nothing but HTTP: it knows the public
// contract and no code of the gateway.
//
// Open makes one connection and Stream.Next reads it. Record keeps all that one
// connection brings, for tests that look at it afterwards.
package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Names of the in-band events.
const (
	TypeOpen      = "weft.open"
	TypeReset     = "weft.reset"
	TypeKeepalive = "weft.keepalive"
	TypeClose     = "weft.close"
	TypePresence  = "weft.presence"
)

// A Transport is a way to receive events.
type Transport string

// The transports.
const (
	SSE       Transport = "sse"
	WebSocket Transport = "websocket"
	Poll      Transport = "poll"
)

// Transports lists them all.
var Transports = []Transport{SSE, WebSocket, Poll}

// An Event is what one connection handed over: an event, or an in-band message
// whose type begins with "weft.".
type Event struct {
	ID      string
	Subject string // empty over SSE, which does not carry it
	Type    string
	// Data is the payload: the bytes of SSE's data lines, or those of the
	// frame's data or data_base64. A frame's data that is a JSON string stays
	// one; Text takes it out.
	Data []byte
	// Binary says that the payload came as data_base64.
	Binary bool
	// EventID is the id that the publisher was told, and CloudEvent the other attributes of
	// one; neither is there when SSE brings the payload alone.
	EventID    string
	CloudEvent json.RawMessage
}

// InBand says that the event is a message of the gateway itself.
func (e Event) InBand() bool { return strings.HasPrefix(e.Type, "weft.") }

// Text is the string that Data holds as JSON, or Data as it is.
func (e Event) Text() string {
	var s string
	if json.Unmarshal(e.Data, &s) == nil {
		return s
	}
	return string(e.Data)
}

// Opened is the content of weft.open.
type Opened struct {
	Connection string   `json:"connection"`
	Node       string   `json:"node"`
	User       string   `json:"user"`
	Subjects   []string `json:"subjects"`
	Resume     string   `json:"resume"`
}

// Ending is the content of weft.close.
type Ending struct {
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"`
	// Retry is for how many milliseconds the client should stay away.
	Retry int `json:"retry"`
}

// Frame is the JSON form of an event: a WebSocket message, one of the events of
// a poll's answer, and what SSE falls back to when a payload is no plain text.
type Frame struct {
	ID         string          `json:"id"`
	Subject    string          `json:"subject"`
	Type       string          `json:"type"`
	Data       json.RawMessage `json:"data"`
	DataBase64 *string         `json:"data_base64"`
	EventID    string          `json:"event"`
	CloudEvent json.RawMessage `json:"cloudevent"`

	// Ref, OK and Error are those of an answer to a command.
	Ref   string   `json:"ref"`
	OK    bool     `json:"ok"`
	Error *Problem `json:"error"`
}

// ParseFrame decodes the JSON form of an event.
func ParseFrame(b []byte) (Event, error) {
	var f Frame
	if err := json.Unmarshal(b, &f); err != nil {
		return Event{}, fmt.Errorf("decode frame: %w", err)
	}
	return f.event()
}

func (f *Frame) event() (Event, error) {
	e := Event{ID: f.ID, Subject: f.Subject, Type: f.Type, Data: f.Data, EventID: f.EventID, CloudEvent: f.CloudEvent}
	if f.DataBase64 != nil {
		data, err := base64.StdEncoding.DecodeString(*f.DataBase64)
		if err != nil {
			return Event{}, fmt.Errorf("decode data_base64: %w", err)
		}
		e.Data, e.Binary = data, true
	}
	return e, nil
}

// A Problem is the body of an HTTP error (RFC 9457) or of a refused command.
type Problem struct {
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Status int    `json:"status"`
}

// A StatusError is an HTTP answer that is no success.
type StatusError struct {
	Status     int
	RetryAfter string
	Problem    Problem
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s", e.Status, e.Problem.Code, e.Problem.Detail)
}

// Wait is RetryAfter as a duration, 0 when there is none.
func (e *StatusError) Wait() time.Duration {
	seconds, err := strconv.Atoi(e.RetryAfter)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// Target says where to connect, as whom and from where on.
type Target struct {
	URL    string // http://host:port
	Token  string // sent as Authorization: Bearer, or as WebSocket subprotocol
	LastID string // the id to resume from, empty for a new client
	// LastIDInQuery sends LastID as last_event_id=, not as the Last-Event-ID
	// header. A WebSocket always does so.
	LastIDInQuery bool
	Query         url.Values // further parameters
}

func (t Target) url(scheme string) string {
	q := url.Values{}
	for k, v := range t.Query {
		q[k] = v
	}
	if t.LastID != "" && (t.LastIDInQuery || scheme == "ws") {
		q.Set("last_event_id", t.LastID)
	}
	u := scheme + strings.TrimPrefix(t.URL, "http") + "/_weft/v1/events"
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	return u
}

// A Stream is one open connection (or a row of polls). Next is for one goroutine
// at a time; it ends with io.EOF when the other side closed in good order, with a
// *websocket.CloseError where the transport has one, and with the context's error
// when the context that was given to Open ends.
type Stream interface {
	Next() (Event, error)
	// Retry is for how long the gateway has asked its clients to stay away after
	// the end of a connection, apart from what weft.close says; 0 when it has not.
	Retry() time.Duration
	Close()
}

// Open connects. The context bounds the whole life of the stream.
func Open(ctx context.Context, kind Transport, target Target) (Stream, error) {
	switch kind {
	case SSE:
		return openSSE(ctx, target)
	case WebSocket:
		return openWebSocket(ctx, target)
	case Poll:
		return openPoll(ctx, target), nil
	}
	return nil, fmt.Errorf("unknown transport %q", kind)
}
