package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Health is what a node says of itself.
type Health struct {
	Live   bool   `json:"live"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"` // why it is not
}

// maxHealth bounds an answer about health, in bytes.
const maxHealth = 4 << 10

// Health asks whether the process runs and, unless live is set, whether it lets
// clients in; the error says why not. Whoever does not answer as a node does is not
// alive. No token is needed.
func (a Admin) Health(ctx context.Context, live bool) (Health, error) {
	said, err := a.says(ctx, "/healthz")
	if err == nil && said != "ok" {
		err = fmt.Errorf("%w to GET /healthz", errFrame)
	}
	if err != nil {
		return Health{Reason: err.Error()}, err
	}
	h := Health{Live: true}
	if live {
		return h, nil
	}
	said, err = a.says(ctx, "/readyz")
	if err == nil && said != "ready" {
		err = errors.New(said)
	}
	if err != nil {
		h.Reason = strings.TrimPrefix(err.Error(), "not ready: ")
		return h, err
	}
	h.Ready = true
	return h, nil
}

// says asks for a path that is answered with a line of text, whatever the status.
func (a Admin) says(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(a.URL, "/")+path, nil)
	if err != nil {
		return "", err
	}
	res, err := do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusServiceUnavailable {
		return "", problemOf(res)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxHealth))
	return strings.TrimSpace(string(text)), err
}
