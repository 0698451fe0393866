package api

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
)

// An Ack says where a stream has stored a message.
type Ack struct {
	Seq uint64
	// Duplicate is set when the stream had a message with the same id.
	Duplicate bool
}

// What the parts of an acknowledgement look like as the server writes them.
var (
	ackBegin     = []byte(`{"stream":"`)
	ackSeq       = []byte(`","seq":`)
	ackEnd       = []byte("}")
	ackDuplicate = []byte(`,"duplicate": true}`)
)

// ParseAck reads the answer of a stream or a bucket to a publish. Its errors are
// ErrRefused, ErrDiskFull, ErrExists and ErrUnavailable. What the server writes is
// read without decoding it.
func ParseAck(data []byte) (Ack, error) {
	if ack, ok := plainAck(data); ok {
		return ack, nil
	}
	var resp struct {
		Response
		Seq       uint64 `json:"seq"`
		Duplicate bool   `json:"duplicate"`
	}
	failed := new(Error)
	switch err := decode(data, &resp); {
	case errors.As(err, &failed):
		return Ack{}, refusal(failed)
	case err != nil:
		return Ack{}, fmt.Errorf("acknowledgement: %w", err)
	case resp.Seq == 0:
		return Ack{}, fmt.Errorf("%w: empty acknowledgement", ErrUnavailable)
	}
	return Ack{resp.Seq, resp.Duplicate}, nil
}

// plainAck reads an acknowledgement of the form that nearly all have.
func plainAck(data []byte) (ack Ack, ok bool) {
	rest, ok := bytes.CutPrefix(data, ackBegin)
	if !ok {
		return ack, false
	}
	i := bytes.Index(rest, ackSeq)
	if i < 0 || bytes.IndexByte(rest, '"') != i {
		return ack, false
	}
	rest = rest[i+len(ackSeq):]
	if rest, ok = bytes.CutSuffix(rest, ackDuplicate); ok {
		ack.Duplicate = true
	} else if rest, ok = bytes.CutSuffix(rest, ackEnd); !ok {
		return ack, false
	}
	seq, err := strconv.ParseUint(string(rest), 10, 64)
	ack.Seq = seq
	return ack, err == nil && seq > 0
}

// AckOf is ParseAck for an answer on a connection, which may also be the server's
// word that nobody listens; that is ErrUnavailable and nats.ErrNoResponders.
func AckOf(m *nats.Msg) (Ack, error) {
	if len(m.Data) == 0 {
		return Ack{}, fmt.Errorf("%w: %w", ErrUnavailable, nats.ErrNoResponders)
	}
	return ParseAck(m.Data)
}
