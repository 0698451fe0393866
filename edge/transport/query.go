package edge

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"weft/edge/parameter"
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

// parameters are what the endpoints of the public listener take.
type parameters struct{ events, publish, change parameter.List }

// declare says what they are: who somebody is, is a parameter only where there are
// no tokens, and a token one only where that was asked for.
func declare(modeNone, tokenInQuery bool) parameters {
	p := parameters{
		events:  parameter.Once(parameter.LastEventID, "format", "wait").Many("subject", "type"),
		publish: parameter.Once("type").Many("user", "subject"),
	}
	for _, l := range []*parameter.List{&p.events, &p.publish, &p.change} {
		if tokenInQuery {
			*l = l.And("access_token")
		} else {
			*l = l.Not("access_token", "is taken with public.token_in_query only")
		}
	}
	const needless = "is taken in auth.mode none only: a token says who it is"
	if modeNone {
		p.events, p.change, p.publish = p.events.And("user"), p.change.And("user"), p.publish.And("publisher")
	} else {
		p.events, p.change, p.publish = p.events.Not("user", needless), p.change.Not("user", needless), p.publish.Not("publisher", needless)
	}
	return p
}

// parseQuery reads a request's query and Last-Event-ID.
func parseQuery(r *http.Request, takes parameter.List) (query, error) {
	q := query{wait: defaultWait}
	values, err := takes.Read(r.URL.RawQuery)
	if err != nil {
		return q, err
	}
	for _, s := range values["subject"] {
		q.subjects = append(q.subjects, strings.Clone(s)) // it outlives the request
	}
	if q.filter, err = session.ParseFilter(values["type"]); err != nil {
		return q, err
	}
	if q.lastID = r.Header.Get("Last-Event-Id"); q.lastID == "" {
		q.lastID = values.Get(parameter.LastEventID)
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
