package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// A Query asks for one message of a stream: the one with a sequence, the last one
// of a subject, or the next one of a subject from a sequence on.
type Query struct {
	Seq     uint64 `json:"seq,omitempty"`
	LastFor string `json:"last_by_subj,omitempty"`
	NextFor string `json:"next_by_subj,omitempty"`
}

// Subject is what is asked for, "" for a sequence.
func (q *Query) Subject() string { return q.LastFor + q.NextFor }

// A Message is a stored message as the stream's leader gives it.
type Message struct {
	Subject string          `json:"subject"`
	Seq     uint64          `json:"seq"`
	Time    time.Time       `json:"time"`
	Head    json.RawMessage `json:"hdrs"` // base64, not decoded
	Body    json.RawMessage `json:"data"` // as well
}

// AskLeader puts a query to a stream's leader; of a cluster nobody else answers. The
// message is nil when there is none. It fails with *Error and ErrUnavailable.
func AskLeader(ctx context.Context, conn *nats.Conn, stream string, q Query) (*Message, error) {
	var resp struct {
		Response
		Message Message `json:"message"`
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

// Data decodes the payload.
func (m *Message) Data() ([]byte, error) {
	data, err := base64Of(m.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: read a message: %w", ErrUnavailable, err)
	}
	return data, nil
}

// Header decodes the headers. Those that cannot be read count as none.
func (m *Message) Header() (nats.Header, error) {
	raw, err := base64Of(m.Head)
	if err != nil {
		return nil, fmt.Errorf("%w: read a message: %w", ErrUnavailable, err)
	}
	if len(raw) == 0 {
		return nil, nil
	}
	h, _ := nats.DecodeHeadersMsg(raw)
	return h, nil
}

func base64Of(text json.RawMessage) (data []byte, err error) {
	if len(text) == 0 {
		return nil, nil
	}
	err = json.Unmarshal(text, &data)
	return data, err
}
