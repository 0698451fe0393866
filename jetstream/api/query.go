package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// A Query asks for one message of a stream: the one with a sequence, the last one
// of a subject, or the next one of a subject from a sequence or a time on.
type Query struct {
	Seq     uint64     `json:"seq,omitempty"`
	LastFor string     `json:"last_by_subj,omitempty"`
	NextFor string     `json:"next_by_subj,omitempty"`
	Start   *time.Time `json:"start_time,omitempty"`
}

// Subject is what is asked for, "" for a sequence.
func (q *Query) Subject() string { return q.LastFor + q.NextFor }

// A Message is what a stream has stored.
type Message struct {
	Subject string
	Seq     uint64
	Time    time.Time // when it was stored
	Header  nats.Header
	Data    []byte
}

// Last returns the last value of a header, "" when there is none: of those that a
// stream adds only that counts, since a publisher's own would come first.
func (m *Message) Last(header string) string {
	if v := m.Header[header]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// A Found is a message as the stream's leader gives it.
type Found struct {
	Subject string          `json:"subject"`
	Seq     uint64          `json:"seq"`
	Time    time.Time       `json:"time"`
	Header  json.RawMessage `json:"hdrs"` // base64
	Data    json.RawMessage `json:"data"` // as well
}

// AskLeader puts a query to a stream's leader; of a cluster nobody else answers. What
// is found is nil when there is no such message. It fails with *Error and
// ErrUnavailable.
func AskLeader(ctx context.Context, conn *nats.Conn, stream string, q Query) (*Found, error) {
	var resp struct {
		Response
		Message Found `json:"message"`
	}
	err := Request(ctx, conn, "$JS.API.STREAM.MSG.GET."+stream, q, &resp)
	switch {
	case err == nil:
		return &resp.Message, nil
	case IsCode(err, CodeNoMessage):
		return nil, nil
	}
	return nil, err
}

// Message decodes what was found. Headers that cannot be read count as none.
func (f *Found) Message() (*Message, error) {
	m := &Message{Subject: f.Subject, Seq: f.Seq, Time: f.Time}
	header, data, err := f.Content()
	if err != nil {
		return nil, err
	}
	m.Data = data
	if len(header) > 0 {
		m.Header, _ = nats.DecodeHeadersMsg(header)
	}
	return m, nil
}

// Content is what was stored: the header with its first and its empty line, if there is one,
// and the data. It fails with ErrUnavailable.
func (f *Found) Content() (header, data []byte, err error) {
	if header, err = base64Of(f.Header); err == nil {
		data, err = base64Of(f.Data)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: read a message: %w", ErrUnavailable, err)
	}
	return header, data, nil
}

func base64Of(text json.RawMessage) (data []byte, err error) {
	if len(text) == 0 {
		return nil, nil
	}
	err = json.Unmarshal(text, &data)
	return data, err
}
