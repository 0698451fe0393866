package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// askEvery is how often the nodes are asked how they are, askFor how long one
	// of them may take to answer before the next one is asked. While nobody leads
	// they take two seconds.
	askEvery = 500 * time.Millisecond
	askFor   = 3 * time.Second
	// askItselfFor is for a node that is asked about itself only.
	askItselfFor = 500 * time.Millisecond
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 1 << 20
	// eventStream is the store of events, whose leader passes them on.
	eventStream = "EVENTS"
)

// A nodeReport is what the cluster says of one node.
type nodeReport struct {
	Name        string `json:"name"`
	Ready       bool   `json:"ready"`
	Reason      string `json:"reason"`
	Connections int    `json:"connections"`
}

// A clusterReport is the answer to GET /_weft/v1/nodes.
type clusterReport struct {
	Items  []nodeReport `json:"items"`
	Groups []struct {
		Name   string `json:"name"`
		Leader string `json:"leader"`
	} `json:"groups"`
}

// node is the report about one node; ok is false when it did not answer.
func (r clusterReport) node(name string) (nodeReport, bool) {
	i := slices.IndexFunc(r.Items, func(n nodeReport) bool { return n.Name == name })
	if i < 0 {
		return nodeReport{}, false
	}
	return r.Items[i], true
}

// leader is the node that leads the store of events, "" when none is known.
func (r clusterReport) leader() string {
	for _, g := range r.Groups {
		if g.Name == eventStream {
			return g.Leader
		}
	}
	return ""
}

// A roster is what the nodes say of themselves. Any of them knows of all.
type roster struct {
	members []*member
	http    *http.Client

	mu   sync.Mutex
	last clusterReport
}

func newRoster(members []*member) *roster {
	return &roster{members: members, http: &http.Client{Timeout: askFor}}
}

// run asks until ctx ends.
func (r *roster) run(ctx context.Context) {
	defer r.http.CloseIdleConnections()
	again := time.NewTicker(askEvery)
	defer again.Stop()
	for first := 0; ; {
		first = r.ask(ctx, first)
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// ask asks one member after the other until one answers, and returns its number
// to begin with the next time. Nothing is known when none does.
func (r *roster) ask(ctx context.Context, first int) int {
	var report clusterReport
	answered := first
	for i := range r.members {
		n := (first + i) % len(r.members)
		if !r.members[n].answers() {
			continue
		}
		var err error
		if report, err = r.askOne(ctx, r.members[n].Admin); err == nil {
			answered = n
			break
		}
	}
	for _, m := range r.members {
		if _, known := report.node(m.Name); known || !m.answers() {
			continue
		}
		if n, err := r.askItself(ctx, m); err == nil {
			report.Items = append(report.Items, n)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = report
	return answered
}

// askItself asks a node that the others do not hear, such as one that has just
// been started, what it waits for.
func (r *roster) askItself(ctx context.Context, m *member) (nodeReport, error) {
	ctx, cancel := context.WithTimeout(ctx, askItselfFor)
	defer cancel()
	status, body, err := r.get(ctx, m.Admin, "/readyz")
	if err != nil {
		return nodeReport{}, err
	}
	why := strings.TrimPrefix(strings.TrimSpace(string(body)), "not ready: ")
	if status == http.StatusOK {
		why = ""
	}
	return nodeReport{Name: m.Name, Ready: status == http.StatusOK, Reason: why}, nil
}

// askOne asks a node about all.
func (r *roster) askOne(ctx context.Context, admin string) (report clusterReport, err error) {
	status, body, err := r.get(ctx, admin, "/_weft/v1/nodes")
	if err != nil {
		return report, err
	}
	if status != http.StatusOK {
		return report, fmt.Errorf("ask for nodes: status %d", status)
	}
	if err := json.Unmarshal(body, &report); err != nil {
		return clusterReport{}, fmt.Errorf("read nodes: %w", err)
	}
	return report, nil
}

func (r *roster) get(ctx context.Context, admin, path string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+path, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("make request: %w", err)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("ask node: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or of no interest
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	return resp.StatusCode, body, nil
}

// report is the newest answer.
func (r *roster) report() clusterReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
