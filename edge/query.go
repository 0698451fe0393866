package edge

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"weft/edge/problem"
	"weft/edge/session"
)

// Bounds of a long poll's wait.
const (
	defaultWait = 25 * time.Second
	maxWait     = 60 * time.Second
)

// query is what a client asks for, the same on every transport.
type query struct {
	subjects []string
	filter   session.Filter
	lastID   string
	frame    bool // SSE: JSON frames as data
	wait     time.Duration
	user     string // counts in auth.mode none only
}

// parseQuery reads a request's query and Last-Event-ID. Unknown parameters are
// ignored: clients and proxies add their own.
func parseQuery(r *http.Request) (query, error) {
	q := query{wait: defaultWait}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, problem.New(problem.BadRequest, "the query cannot be read")
	}
	for _, name := range []string{"last_event_id", "format", "wait", "user"} {
		if len(values[name]) > 1 {
			return q, problem.New(problem.BadRequest, name+" is there twice")
		}
	}
	for _, s := range values["subject"] {
		q.subjects = append(q.subjects, strings.Clone(s)) // it outlives the request
	}
	if q.filter, err = session.ParseFilter(values["type"]); err != nil {
		return q, err
	}
	if q.lastID = r.Header.Get("Last-Event-Id"); q.lastID == "" {
		q.lastID = values.Get("last_event_id")
	}
	switch values.Get("format") {
	case "":
	case "frame":
		q.frame = true
	default:
		return q, problem.New(problem.BadRequest, "format is not frame")
	}
	if s := values.Get("wait"); s != "" {
		if q.wait, err = parseWait(s); err != nil {
			return q, err
		}
	}
	q.user = values.Get("user")
	return q, nil
}

// parseWait reads a duration like 25s; a bare number is seconds.
func parseWait(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		n, nerr := strconv.ParseUint(s, 10, 16)
		d, err = time.Duration(n)*time.Second, nerr
	}
	if err != nil || d < 0 || d > maxWait {
		return 0, problem.New(problem.BadRequest, "wait is not a duration between 0s and 60s")
	}
	return d, nil
}
