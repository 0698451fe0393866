package fault

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"time"

	"weft/config/testkit/waitfor"
)

// overHTTP posts events with a key that makes a repetition harmless, at whatever
// node the next try finds.
type overHTTP struct {
	called string
	origin func() string
	token  string      // empty where the listener trusts everybody
	header http.Header // of each post, nil for none but the usual
	client *http.Client
	ledger ledger
}

const (
	// publishTry bounds one try of a publisher, which then turns to whatever node it
	// finds next: one whose process stands still answers nothing.
	publishTry = 2 * time.Second
	// publishPause is between two tries.
	publishPause = 25 * time.Millisecond
)

// newPublic posts through the load balancer, with a token.
func newPublic(c *Cluster, token string) *overHTTP {
	return &overHTTP{called: "http", origin: c.Balancer.URL, token: token, client: publishers()}
}

// newAdmin posts to the admin listener of a node that is ready, if there is one.
func newAdmin(c *Cluster) *overHTTP {
	return &overHTTP{called: "admin", token: c.Nodes[0].AdminToken(), client: publishers(),
		origin: func() string {
			order := rand.Perm(len(c.Nodes))
			for _, i := range order {
				if c.Ready(context.Background(), i) {
					return c.Nodes[i].AdminURL()
				}
			}
			return c.Nodes[order[0]].AdminURL()
		}}
}

func publishers() *http.Client {
	return &http.Client{Timeout: publishTry, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
}

func (h *overHTTP) name() string { return h.called }

func (h *overHTTP) publish(ctx context.Context, user string, n int) (refused int, err error) {
	for {
		status, answer, err := h.post(ctx, user, n)
		switch {
		case err == nil && status == http.StatusAccepted:
			h.ledger.enter(user, n)
			return refused, nil
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			return refused, fmt.Errorf("post event %d of %s: status %d: %s", n, user, status, answer)
		}
		refused++
		if err := waitfor.Time(ctx, publishPause); err != nil {
			return refused, err
		}
	}
}

func (h *overHTTP) post(ctx context.Context, user string, n int) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.origin()+"/_weft/v1/events?user="+user,
		bytes.NewReader(payload(h.name(), user, n)))
	if err != nil {
		return 0, nil, err
	}
	maps.Copy(req.Header, h.header)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", fmt.Sprintf("%s/%d", user, n))
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func (h *overHTTP) accepted(context.Context) (map[string][]receipt, error) {
	return h.ledger.take(), nil
}

func (h *overHTTP) close() { h.client.CloseIdleConnections() }
