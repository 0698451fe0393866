package check

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"weft/edge/auth"
)

// maxAnswer bounds what is read of an answer's body, which counts for nothing: a
// connection is good for another question when its answer was read to the end.
const maxAnswer = 4 << 10

// A question is what the back end is sent.
type question struct {
	User    string          `json:"user"`
	Session string          `json:"session"`
	Claims  json.RawMessage `json:"claims"`
	Subject string          `json:"subject"`
	Action  Action          `json:"action"`
}

func newQuestion(id *auth.Identity, action Action, sub string) *question {
	return &question{id.User, id.Session, id.Claims(), strings.Clone(sub), action}
}

// A key stands for a question: two that differ in a byte have two keys.
type key [sha256.Size]byte

func (q *question) key(seed *[32]byte) key {
	h := sha256.New()
	h.Write(seed[:])
	for _, part := range []string{q.User, q.Session, string(q.Claims), string(q.Action), q.Subject} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return key(h.Sum(nil))
}

// A verdict is what became of a question, as metrics call it.
type verdict string

const (
	allows  verdict = "allowed"
	refuses verdict = "refused"
	odd     verdict = "unexpected" // a status that says neither
	silent  verdict = "silent"     // no answer, or that of something in between
	unknown verdict = "unasked"
)

// known reports whether it is an answer.
func (v verdict) known() bool { return v == allows || v == refuses }

// post asks. The error, which is for the log alone, says why there is no answer.
func (c *Checker) post(q *question) (verdict, error) {
	ctx, cancel := context.WithTimeout(c.serving, c.cfg.Timeout)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return odd, fmt.Errorf("write the question: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return odd, errors.New("make request: the URL is not valid")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "weft")
	defer c.metrics.began()()
	resp, err := c.client.RoundTrip(req)
	if err != nil {
		if in, ok := errors.AsType[*url.Error](err); ok { // it names the whole URL
			err = in.Err
		}
		return silent, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	switch resp.StatusCode {
	case http.StatusOK:
		return allows, nil
	case http.StatusForbidden:
		return refuses, nil
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return silent, fmt.Errorf("status %d", resp.StatusCode)
	}
	return odd, fmt.Errorf("status %d is neither 200 nor 403", resp.StatusCode)
}
