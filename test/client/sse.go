package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// transport keeps no idle connections: each stream has its own, as the test that
// drops it expects.
var transport = &http.Transport{DisableKeepAlives: true, DisableCompression: true}

var httpClient = &http.Client{Transport: transport}

type sseStream struct {
	body    io.ReadCloser
	lines   *bufio.Reader
	cancel  context.CancelFunc
	untyped bool // the type stands in the data
	lastID  string
	retry   time.Duration
}

func openSSE(ctx context.Context, target Target) (*sseStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	answer, err := get(ctx, target, "text/event-stream")
	if err != nil {
		cancel()
		return nil, err
	}
	if got := answer.Header.Get("Content-Type"); got != "text/event-stream" {
		answer.Body.Close()
		cancel()
		return nil, fmt.Errorf("content type %q, want text/event-stream", got)
	}
	format := target.Query.Get("format")
	return &sseStream{body: answer.Body, lines: bufio.NewReaderSize(answer.Body, 4<<10), cancel: cancel,
		untyped: format == "frame" || format == "cloudevents"}, nil
}

// get asks for events and turns every answer but 200 into a *StatusError.
func get(ctx context.Context, target Target, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.url("http"), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	if target.Token != "" {
		req.Header.Set("Authorization", "Bearer "+target.Token)
	}
	if target.LastID != "" && !target.LastIDInQuery {
		req.Header.Set("Last-Event-ID", target.LastID)
	}
	answer, err := httpClient.Do(req)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		return nil, statusError(answer)
	}
	return answer, nil
}

func statusError(answer *http.Response) *StatusError {
	e := &StatusError{Status: answer.StatusCode, RetryAfter: answer.Header.Get("Retry-After")}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if json.Unmarshal(body, &e.Problem) != nil {
		e.Problem.Detail = string(body)
	}
	return e
}

// Next reads up to the next blank line, by the rules of the HTML standard,
// section 9.2.6, except that an event without data is returned, too: its id
// counts, and a test wants to see it.
func (s *sseStream) Next() (Event, error) {
	var e Event
	var data [][]byte
	some := false
	for {
		line, err := s.lines.ReadBytes('\n')
		if err != nil {
			return Event{}, err
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			if !some {
				continue
			}
			e.ID = s.lastID
			e.Data = bytes.Join(data, []byte("\n"))
			if s.untyped {
				err = e.describe()
			}
			return e, err
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			s.lastID, some = string(value), true
		case "event":
			e.Type, some = string(value), true
		case "data":
			data, some = append(data, value), true
		case "retry":
			s.retry, err = time.ParseDuration(string(value) + "ms")
			if err != nil {
				return Event{}, fmt.Errorf("decode retry: %w", err)
			}
		}
	}
}

// describe takes the type, and what else is beside the data, out of a frame or CloudEvent
// that is all of the data.
func (e *Event) describe() error {
	if e.Type != "" {
		return fmt.Errorf("an event of a format without types has the type %q", e.Type)
	}
	var f struct {
		Frame
		WeftEvent   string `json:"weftevent"`
		WeftSubject string `json:"weftsubject"`
	}
	if err := json.Unmarshal(e.Data, &f); err != nil {
		return fmt.Errorf("decode frame: %w", err)
	}
	e.Type, e.CloudEvent = f.Type, f.CloudEvent
	e.Subject, e.EventID = cmp.Or(f.WeftSubject, f.Subject), cmp.Or(f.WeftEvent, f.EventID)
	return nil
}

// Retry is what the field retry said last.
func (s *sseStream) Retry() time.Duration { return s.retry }

func (s *sseStream) Close() {
	s.cancel()
	s.body.Close()
}
