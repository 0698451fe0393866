package route

import (
	"encoding/json"
	"net/url"
	"time"

	"weft/edge/route/pattern"
	"weft/edge/route/template"
)

// Parse reads the document of a route, and returns the route, or all that is wrong.
func Parse(name string, document []byte) (*Route, []*FieldError) {
	var d struct {
		Pattern string `json:"pattern"`
		Target  string `json:"target"`
		Auth    struct {
			Mode AuthMode `json:"mode"`
		} `json:"auth"`
	}
	if json.Unmarshal(document, &d) != nil {
		return nil, []*FieldError{{"", "is no JSON object"}}
	}
	p, err := pattern.Parse(d.Pattern)
	if err != nil {
		return nil, []*FieldError{{"pattern", err.Error()}}
	}
	u, err := url.Parse(d.Target)
	if err != nil {
		return nil, []*FieldError{{"target", "is no URL"}}
	}
	t := Target{Text: d.Target, Host: u.Host, RawQuery: u.RawQuery}
	if u.Path != "" {
		t.Path, _ = template.ParsePath(u.EscapedPath(), template.Scope{Names: p.Names()})
	}
	if d.Auth.Mode == "" {
		d.Auth.Mode = AuthToken
	}
	return &Route{Name: name, Document: document, Pattern: p, Scheme: Scheme(u.Scheme), Targets: []Target{t}, Auth: d.Auth.Mode, PassToken: true,
		BodyLimit: 10 << 20, ConnectTimeout: 5 * time.Second, Timeout: 30 * time.Second, IdleTimeout: time.Minute}, nil
}
