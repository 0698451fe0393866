package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// idleLimit is after how long without a word a connection counts as dead. A
// node sends a keep-alive every 15 s.
const idleLimit = 60 * time.Second

var errIdle = errors.New("nothing heard for " + idleLimit.String())

// followSSE follows over Server-Sent Events (WHATWG HTML, section 9.2), with
// each event's data as a JSON frame.
func followSSE(ctx context.Context, f *Follower, lastID string, emit func(Frame) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := f.request(ctx, lastID, url.Values{"format": {"frame"}})
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	idle := time.AfterFunc(idleLimit, func() { cancel(errIdle) })
	defer idle.Stop()
	res, err := doWith(f.client, req)
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("follow: %w", problemOf(res))
	}
	err = readSSE(res.Body, func() { idle.Reset(idleLimit) }, emit)
	if cause := context.Cause(ctx); cause != nil && errors.Is(cause, errIdle) {
		return cause
	}
	return err
}

// readSSE hands on the frame in each event's data. heard is called for each
// line.
func readSSE(body io.Reader, heard func(), emit func(Frame) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4<<10), maxFrame)
	var data []byte
	var retry time.Duration
	for lines.Scan() {
		heard()
		line := lines.Bytes()
		if value, ok := bytes.CutPrefix(line, []byte("retry:")); ok {
			if ms, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31); err == nil {
				retry = time.Duration(ms) * time.Millisecond
			}
			continue
		}
		if len(line) > 0 {
			if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				if len(data)+len(value) > maxFrame {
					return fmt.Errorf("%w: an event of more than %d bytes", errFrame, maxFrame)
				}
				data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
			}
			continue
		}
		if len(data) > 0 {
			frame, err := parseFrame(data)
			if err != nil {
				return err
			}
			if err := emit(frame); err != nil {
				var ended *Ended
				if errors.As(err, &ended) {
					ended.RetryAfter = max(ended.RetryAfter, retry)
				}
				return err
			}
		}
		data = data[:0]
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	return fmt.Errorf("follow: %w", io.ErrUnexpectedEOF)
}
