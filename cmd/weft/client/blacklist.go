package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Revocation is an entry of the blacklist: of a session, or of all tokens of a
// user that were issued up to Before.
type Revocation struct {
	Key     string     `json:"key"`
	Session string     `json:"session,omitempty"`
	User    string     `json:"user,omitempty"`
	Value   string     `json:"value"`
	Made    time.Time  `json:"made"`
	Before  *time.Time `json:"before,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	Problem string     `json:"problem,omitempty"` // why it never matches a token
}

// Blacklist lists all that is revoked, by key.
func (a Admin) Blacklist(ctx context.Context) ([]Revocation, error) {
	all := []Revocation{}
	err := pages(func(query url.Values) (string, error) {
		var page struct {
			Items []Revocation `json:"items"`
			Next  string       `json:"next"`
		}
		if err := a.ask(ctx, request{method: http.MethodGet, path: "blacklist", query: query}, &page); err != nil {
			return "", err
		}
		all = append(all, page.Items...)
		return page.Next, nil
	})
	return all, err
}

// Revocation is what revokes a session, or a user ("user.ann"). A *Problem with the
// status 404 means that nothing does.
func (a Admin) Revocation(ctx context.Context, name string) (r Revocation, err error) {
	err = a.ask(ctx, request{method: http.MethodGet, path: "blacklist/" + url.PathEscape(name)}, &r)
	return r, err
}

// Revoke cuts a session, or all tokens of a user ("user.ann") that were issued until
// now, and returns once that is stored. It lasts for ttl; 0 is for as long as a token
// of the session may live. value is what the entry says, "" for nothing in particular.
func (a Admin) Revoke(ctx context.Context, name, value string, ttl time.Duration) error {
	var body struct {
		Value string `json:"value,omitempty"`
		TTL   string `json:"ttl,omitempty"`
	}
	body.Value = value
	if ttl > 0 {
		body.TTL = ttl.String()
	}
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return a.ask(ctx, request{method: http.MethodPut, path: "blacklist/" + url.PathEscape(name), body: strings.NewReader(string(text))}, nil)
}

// Unrevoke takes that back. What is not revoked is fine.
func (a Admin) Unrevoke(ctx context.Context, name string) error {
	return a.ask(ctx, request{method: http.MethodDelete, path: "blacklist/" + url.PathEscape(name)}, nil)
}
