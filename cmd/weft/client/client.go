// Package client is the other end of a node's listeners: it publishes an event
// at the admin listener, and follows events at the public one over SSE,
// WebSocket or long poll.
//
// A Follower comes back by itself. It keeps the id of the last event it handed
// on and resumes there, waits longer after each failure, and gives up only when
// the node says that coming back is of no use.
package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// eventsPath is where events are published and followed, on both listeners.
const eventsPath = "/_weft/v1/events"

// maxProblem bounds how much of an error answer is read, in bytes.
const maxProblem = 64 << 10

// A Problem is an error that the node answered with (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	// Errors are all that is wrong with a document.
	Errors []FieldError `json:"errors"`
	// RetryAfter is what the answer's header asks for; 0 when it does not.
	RetryAfter time.Duration `json:"-"`
}

// A FieldError says what is wrong with a field of a document; "" is the document.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (e FieldError) String() string {
	if e.Field == "" {
		return e.Detail
	}
	return e.Field + ": " + e.Detail
}

func (p *Problem) Error() string {
	switch {
	case p.Code == "":
		return fmt.Sprintf("answered %d %s", p.Status, http.StatusText(p.Status))
	case p.Detail == "":
		return p.Code
	}
	return p.Code + ": " + p.Detail
}

// passing reports whether waiting may mend it.
func (p *Problem) passing() bool {
	return p.Status == http.StatusTooManyRequests || p.Status >= 500
}

// problemOf reads the error answer of a node, or of something in between.
func problemOf(res *http.Response) *Problem {
	p := &Problem{}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	if err != nil || json.Unmarshal(body, p) != nil {
		p = &Problem{}
	}
	p.Status = res.StatusCode
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}

// eventsURL is the URL of a node's events with a query.
func eventsURL(base string, query url.Values) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%w: %q; write one like http://localhost:4000", errURL, base)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + eventsPath
	u.RawQuery = query.Encode()
	return u, nil
}

// do sends a request. The URL, which is long, is left out of its errors.
func do(req *http.Request) (*http.Response, error) { return doWith(http.DefaultClient, req) }

func doWith(c *http.Client, req *http.Request) (*http.Response, error) {
	res, err := c.Do(req)
	var long *url.Error
	if errors.As(err, &long) {
		err = long.Err
	}
	return res, err
}

// An Ended is the last word of a node on a connection.
type Ended struct {
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"`
	// Detail is what an operator says of it, or "".
	Detail string `json:"detail,omitempty"`
	// RetryAfter is the wait that the node asked for; 0 when it did not.
	RetryAfter time.Duration `json:"-"`
}

func (e *Ended) Error() string {
	said := "the node ended the connection: " + e.Reason
	if e.Detail != "" {
		said += ": " + e.Detail
	}
	return said
}

// errFrame is wrapped by errors about an answer that is not as it should be.
var errFrame = errors.New("unexpected answer")

// errURL is wrapped by errors about an address that no try can mend.
var errURL = errors.New("not a URL")
