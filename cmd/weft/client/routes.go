package client

import (
	"bytes"
	"context"
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

// A Route is one as a node shows it: its newest version, and what serves.
type Route struct {
	Name     string          `json:"name,omitempty"`
	Revision uint64          `json:"revision"`
	Modified time.Time       `json:"modified,omitzero"`
	Document json.RawMessage `json:"route,omitempty"`
	// Raw is the beginning of what was put, when it is no JSON.
	Raw   string `json:"raw,omitempty"`
	State string `json:"state,omitempty"` // serving or bad
	// Operation is put or delete, of a version of the history.
	Operation string      `json:"operation,omitempty"`
	Problem   *FieldError `json:"problem,omitempty"`
	Serving   uint64      `json:"serving_revision,omitempty"`
}

// Pattern and Target are what the document says, as far as it can be read.
func (r *Route) Pattern() string { pattern, _ := r.read(); return pattern }

// Target is the first one, and how many there are besides.
func (r *Route) Target() string { _, target := r.read(); return target }

func (r *Route) read() (pattern, target string) {
	var pt struct {
		Pattern json.RawMessage
		Target  json.RawMessage
		Targets json.RawMessage
	}
	_ = json.Unmarshal(r.Document, &pt)
	text := func(raw json.RawMessage) (s string) { _ = json.Unmarshal(raw, &s); return s }
	if target = text(pt.Target); target == "" {
		var all []json.RawMessage
		if _ = json.Unmarshal(pt.Targets, &all); len(all) > 0 {
			target = text(all[0])
		}
		if len(all) > 1 {
			target += fmt.Sprintf(" and %d more", len(all)-1)
		}
	}
	return text(pt.Pattern), target
}

// Routes lists all routes, by name.
func (a Admin) Routes(ctx context.Context) ([]Route, error) {
	all := []Route{}
	err := pages(func(query url.Values) (string, error) {
		var page struct {
			Items []Route `json:"items"`
			Next  string  `json:"next"`
		}
		if err := a.ask(ctx, request{method: http.MethodGet, path: "routes", query: query}, &page); err != nil {
			return "", err
		}
		all = append(all, page.Items...)
		return page.Next, nil
	})
	return all, err
}

// Route is the route of a name. A *Problem with the status 404 means that there is none.
func (a Admin) Route(ctx context.Context, name string) (r Route, err error) {
	if name != "schema" && name != "match" {
		err = a.ask(ctx, request{method: http.MethodGet, path: routePath(name)}, &r)
		return r, err
	}
	// Those paths have a meaning of their own; the list has the routes, too.
	all, err := a.Routes(ctx)
	for _, r := range all {
		if r.Name == name {
			return r, nil
		}
	}
	if err == nil {
		err = &Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "there is no route of this name"}
	}
	return r, err
}

func routePath(name string) string { return "routes/" + url.PathEscape(name) }

// PutRoute puts a document, and returns once the node serves it. A dry run stores nothing.
func (a Admin) PutRoute(ctx context.Context, name string, document []byte, dry bool) (r Route, created bool, err error) {
	return a.changeRoute(ctx, request{method: http.MethodPut, path: routePath(name), query: url.Values{}, body: bytes.NewReader(document)}, dry)
}

// RollbackRoute puts the document of an earlier revision again.
func (a Admin) RollbackRoute(ctx context.Context, name string, revision uint64, dry bool) (r Route, err error) {
	query := url.Values{"revision": {strconv.FormatUint(revision, 10)}}
	r, _, err = a.changeRoute(ctx, request{method: http.MethodPost, path: routePath(name) + "/rollback", query: query}, dry)
	return r, err
}

func (a Admin) changeRoute(ctx context.Context, req request, dry bool) (r Route, created bool, err error) {
	if dry {
		req.query.Set("dry_run", "true")
	}
	res, err := a.send(ctx, req)
	if err != nil {
		return r, false, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&r); err != nil {
		return r, false, fmt.Errorf("%w: %w", errFrame, err)
	}
	return r, res.StatusCode == http.StatusCreated, nil
}

// DeleteRoute deletes a route.
func (a Admin) DeleteRoute(ctx context.Context, name string) error {
	return a.ask(ctx, request{method: http.MethodDelete, path: routePath(name)}, nil)
}

// RouteHistory is what the bucket retains of a name, newest first.
func (a Admin) RouteHistory(ctx context.Context, name string) ([]Route, error) {
	var list struct {
		Items []Route `json:"items"`
	}
	err := a.ask(ctx, request{method: http.MethodGet, path: routePath(name) + "/history"}, &list)
	return list.Items, err
}

// A Matched is which route would serve a request, and where it would go.
type Matched struct {
	Name     string            `json:"name"`
	Revision uint64            `json:"revision"`
	Pattern  string            `json:"pattern"`
	Values   map[string]string `json:"values"`
	Target   string            `json:"target"`
	Targets  []string          `json:"targets,omitempty"`
}

// MatchRoute asks which route would serve a request.
func (a Admin) MatchRoute(ctx context.Context, method, sent string) (m Matched, err error) {
	query := url.Values{"method": {strings.ToUpper(method)}, "url": {sent}}
	err = a.ask(ctx, request{method: http.MethodGet, path: "routes/match", query: query}, &m)
	return m, err
}

// FieldErrors makes of a node's answer a line for each field that is wrong, which begins
// with what is put: a file. It wraps err.
func FieldErrors(file string, err error) error {
	var p *Problem
	if !errors.As(err, &p) || len(p.Errors) == 0 {
		return fmt.Errorf("%s: %w", file, err)
	}
	lines := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		lines[i] = file + ": " + e.String()
	}
	return &badFields{strings.Join(lines, "\n"), err}
}

// A badFields is a problem that is told by its fields.
type badFields struct {
	text string
	err  error
}

func (b *badFields) Error() string { return b.text }
func (b *badFields) Unwrap() error { return b.err }
