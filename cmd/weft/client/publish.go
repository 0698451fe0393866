package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"
)

// A Publication is one event to publish.
type Publication struct {
	// One of User, Subject and Rule says who it is for, or finds it out; the others are empty.
	User, Subject, Rule string
	Type                string
	Data                []byte
	// Key makes sending it again harmless for two minutes. It must not be empty.
	Key string
}

// publishTries bounds how often Publish sends; the waits between double from
// the first.
const (
	publishTries = 5
	publishWait  = 250 * time.Millisecond
)

// Publish stores p through the listener at base and returns the ids of what was
// stored. It sends again while the node answers that it does not know, or that
// waiting helps. token may be empty. Errors: *Problem, or those of net/http.
func Publish(ctx context.Context, base, token string, p Publication) ([]string, error) {
	query := url.Values{}
	for name, value := range map[string]string{"user": p.User, "subject": p.Subject, "rule": p.Rule, "type": p.Type} {
		if value != "" {
			query.Set(name, value)
		}
	}
	u, err := eventsURL(base, query)
	if err != nil {
		return nil, err
	}
	for try, wait := 1, publishWait; ; try, wait = try+1, 2*wait {
		ids, err := p.send(ctx, u.String(), token)
		var problem *Problem
		if err == nil || try == publishTries || !errors.As(err, &problem) || !problem.passing() {
			return ids, err
		}
		if err := sleep(ctx, max(wait, problem.RetryAfter)); err != nil {
			return nil, err
		}
	}
}

func (p *Publication) send(ctx context.Context, to, token string) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(p.Data))
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	req.Header.Set("Content-Type", contentType(p.Data))
	req.Header.Set("Idempotency-Key", p.Key)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := do(req)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		return nil, fmt.Errorf("publish: %w", problemOf(res))
	}
	var answer struct {
		IDs []string `json:"ids"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxFrame)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("publish: %w: stored, but the answer cannot be read", errFrame)
	}
	return answer.IDs, nil
}

func contentType(data []byte) string {
	switch {
	case !utf8.Valid(data):
		return "application/octet-stream"
	case json.Valid(data):
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
