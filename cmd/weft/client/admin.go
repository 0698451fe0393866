package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Admin is the admin listener of a node. Its errors are *Problem, or those of
// net/http.
type Admin struct {
	URL   string // http://127.0.0.1:4010
	Token string // may be empty
}

// A request to the admin listener. Path is what follows /_weft/v1/, escaped.
type request struct {
	method, path string
	query        url.Values
	body         io.Reader
}

// send sends a request and returns the answer when its status is below 300.
func (a Admin) send(ctx context.Context, r request) (*http.Response, error) {
	base, err := url.Parse(a.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("%w: %q; write one like http://127.0.0.1:4010", errURL, a.URL)
	}
	to := strings.TrimSuffix(base.Scheme+"://"+base.Host+base.EscapedPath(), "/") + "/_weft/v1/" + r.path
	if len(r.query) > 0 {
		to += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, to, r.body)
	if err != nil {
		return nil, err
	}
	if a.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.Token)
	}
	res, err := do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		defer res.Body.Close()
		return nil, problemOf(res)
	}
	return res, nil
}

// maxAnswer bounds an answer that is read at once, in bytes.
const maxAnswer = 16 << 20

// ask sends a request and reads the answer into v, which may be nil.
func (a Admin) ask(ctx context.Context, r request, v any) error {
	res, err := a.send(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if v == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(v); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return nil
}

// Drain makes the node say goodbye and stop; it returns when the node has begun.
func (a Admin) Drain(ctx context.Context) error {
	return a.ask(ctx, request{method: http.MethodPost, path: "drain"}, nil)
}

// A Pulse is what a node's metrics say of its process.
type Pulse struct {
	// Started tells one process from the next on the same address, in seconds.
	Started     string
	Connections int
}

// Pulse asks for a sign of life. A node that is gone is an error.
func (a Admin) Pulse(ctx context.Context) (Pulse, error) {
	ctx, cancel := context.WithTimeout(ctx, pulseTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(a.URL, "/")+"/metrics", nil)
	if err != nil {
		return Pulse{}, err
	}
	res, err := do(req)
	if err != nil {
		return Pulse{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return Pulse{}, problemOf(res)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Pulse{}, err
	}
	var p Pulse
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "process_start_time_seconds" {
			p.Started = value
		}
		if strings.HasPrefix(name, "weft_edge_connections{") {
			var n float64
			if _, err := fmt.Sscan(value, &n); err == nil {
				p.Connections += int(n)
			}
		}
	}
	return p, nil
}

// pulseTime bounds one sign of life.
const pulseTime = 5 * time.Second
