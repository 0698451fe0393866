// Package api speaks the JetStream API (ADR-1 and ADR-31 of NATS) over a
// connection: requests and their error codes, acknowledgements, queries to a
// stream's leader, replies of several messages, and the one way in which
// anything is tried again.
//
// It knows streams and buckets by their names only. What an answer means for an
// event is told by four errors: ErrUnavailable (unknown, try again),
// ErrDiskFull, ErrRefused and ErrExists.
package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

// A Response is what every answer of the JetStream API has; what an answer is decoded
// into embeds it.
type Response struct {
	Error *Error `json:"error"`
}

func (r *Response) failure() *Error { return r.Error }

// An answer embeds Response.
type answer interface{ failure() *Error }

// Request sends a request and decodes the answer into out. It fails with *Error
// when the answer is one, else with ErrUnavailable. body is sent as JSON; nil sends
// nothing.
func Request(ctx context.Context, conn *nats.Conn, subject string, body any, out answer) error {
	var req []byte
	if body != nil {
		var err error
		if req, err = json.Marshal(body); err != nil {
			return err
		}
	}
	m, err := conn.RequestWithContext(ctx, subject, req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return decode(m.Data, out)
}

// decode reads an answer of the JetStream API.
func decode(data []byte, out answer) error {
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%w: bad answer: %w", ErrUnavailable, err)
	}
	if e := out.failure(); e != nil {
		return e
	}
	return nil
}
