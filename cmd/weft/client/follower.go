package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// A Follower receives events from the public listener.
type Follower struct {
	// URL of the node: http://localhost:4000.
	URL string
	// Token proves who listens; User says so where nothing is checked
	// (auth.mode none).
	Token, User string
	// Subjects are asked for in addition to what the token brings; Types narrow
	// what is sent.
	Subjects, Types []string
	// Transport is one of Transports.
	Transport string
	// TLS is how an https URL is checked, nil as the system does.
	TLS *tls.Config
	// Waiting, when not nil, is told before each wait for the next try.
	Waiting func(cause error, wait time.Duration)

	sleep  func(context.Context, time.Duration) error // sleep; another one in tests
	client *http.Client
}

// A transport holds one connection, or one series of polls, and hands on each
// frame. It returns the error of emit as it is, and *Ended, *Problem or the
// error of the network.
type transport func(ctx context.Context, f *Follower, lastID string, emit func(Frame) error) error

var transports = map[string]transport{"sse": followSSE, "ws": followWebSocket, "poll": followPoll}

// Transports are the names of the transports.
func Transports() []string { return []string{"sse", "ws", "poll"} }

const (
	// Waits between two tries: they double from the first to the longest.
	firstWait   = 500 * time.Millisecond
	longestWait = 30 * time.Second
	// maxJitter is added at most to the wait that a node asks for: it may have
	// told many the same whole second.
	maxJitter = 500 * time.Millisecond
)

// ErrStop is returned by emit to end Run without an error.
var ErrStop = errors.New("stop")

// Run hands on events, and the node's own frames, until ctx ends, emit returns
// an error, or the node says that coming back is of no use. It begins after
// lastID, or now when that is empty.
func (f *Follower) Run(ctx context.Context, lastID string, emit func(Frame) error) error {
	follow, ok := transports[f.Transport]
	if !ok {
		return fmt.Errorf("there is no transport %q", f.Transport)
	}
	if f.sleep == nil {
		f.sleep = sleep
	}
	f.client = http.DefaultClient
	if f.TLS != nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = f.TLS.Clone()
		defer t.CloseIdleConnections()
		f.client = &http.Client{Transport: t}
	}
	var stopped error
	wait := firstWait
	for {
		err := follow(ctx, f, lastID, func(frame Frame) error {
			if frame.Type == TypeClose {
				return frame.ended()
			}
			wait = firstWait // only now: who is let in and who is turned away gets a weft.close
			if stopped = emit(frame); stopped != nil {
				return stopped
			}
			// Only now: what was not handed on is asked for again.
			if frame.ID != "" {
				lastID = frame.ID
			}
			return nil
		})
		switch {
		case ctx.Err() != nil || errors.Is(stopped, ErrStop):
			return nil
		case stopped != nil:
			return stopped
		case final(err):
			return err
		}
		pause := wait/2 + rand.N(wait/2+1) // jitter, so that many do not come at once
		if told := retryAfter(err); told > 0 {
			pause = max(pause, told+rand.N(min(told/4, maxJitter)))
		}
		if f.Waiting != nil {
			f.Waiting(err, pause)
		}
		if f.sleep(ctx, pause) != nil {
			return nil
		}
		wait = min(2*wait, longestWait)
	}
}

// retryAfter is the wait that the node asked for, 0 when it did not.
func retryAfter(err error) time.Duration {
	var (
		ended   *Ended
		problem *Problem
	)
	switch {
	case errors.As(err, &problem):
		return problem.RetryAfter
	case errors.As(err, &ended):
		return ended.RetryAfter
	}
	return 0
}

// final reports whether coming back is of no use.
func final(err error) bool {
	var (
		ended   *Ended
		problem *Problem
		foreign *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &foreign):
		return true
	case errors.As(err, &ended):
		return !ended.Reconnect || ended.Reason == "expired" // the next try needs a new token
	case errors.As(err, &problem):
		return !problem.passing()
	}
	return errors.Is(err, errURL)
}

// request makes the GET of one connection.
func (f *Follower) request(ctx context.Context, lastID string, query url.Values) (*http.Request, error) {
	if f.User != "" {
		query.Set("user", f.User)
	}
	if lastID != "" {
		query.Set("last_event_id", lastID)
	}
	query["subject"], query["type"] = f.Subjects, f.Types
	u, err := eventsURL(f.URL, query)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("follow: %w", err)
	}
	if f.Token != "" {
		req.Header.Set("Authorization", "Bearer "+f.Token)
	}
	return req, nil
}
