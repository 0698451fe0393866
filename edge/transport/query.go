package transport

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/wire"
	"weft/jetstream/feed"
)

// Bounds of a long poll's wait.
const (
	defaultWait = 25 * time.Second
	maxWait     = 60 * time.Second
)

// maxDevice bounds what a client may call itself, in bytes.
const maxDevice = 64

// printable reports whether others can be shown what a client calls itself.
func printable(name string) bool {
	return len(name) <= maxDevice && utf8.ValidString(name) &&
		strings.IndexFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }) < 0
}

// A Query is what a client asks for, the same on every transport.
type Query struct {
	Subjects []string
	LastID   string
	Since    time.Time // zero: not asked for; LastID wins
	User     string    // counts in auth.mode none only
	filter   session.Filter
	shape    wire.Shape
	wait     time.Duration
	presence string // poll: of the states that the client has
	// Device is what the client calls itself, nil when it does not.
	Device *string
}

// Parameters are those of a query.
func Parameters() parameter.List {
	return parameter.Once(parameter.LastEventID, "since", "format", "wait", "presence", "device").Many("subject", "type")
}

// together copies subjects, which outlive the request, into one piece of memory: there may
// be hundreds, for the collector of garbage to look through as long as the connection lasts.
func together(subjects []string) []string {
	if len(subjects) == 0 {
		return nil
	}
	all, at := strings.Join(subjects, ""), 0
	if len(subjects) == 1 {
		all = strings.Clone(all)
	}
	copies := make([]string, len(subjects))
	for i, s := range subjects {
		copies[i] = all[at : at+len(s)]
		at += len(s)
	}
	return copies
}

// ParseQuery reads a request's query and Last-Event-ID. Its errors are problems.
func ParseQuery(r *http.Request, takes parameter.List) (Query, error) {
	q := Query{wait: defaultWait}
	values, err := takes.Read(r.URL.RawQuery)
	if err != nil {
		return q, err
	}
	q.Subjects = together(values["subject"])
	if q.filter, err = session.ParseFilter(values["type"]); err != nil {
		return q, err
	}
	if q.LastID = r.Header.Get("Last-Event-Id"); q.LastID == "" {
		q.LastID = values.Get(parameter.LastEventID)
	}
	if s := values.Get("since"); s != "" {
		if q.Since, err = parseSince(s, time.Now()); err != nil {
			return q, err
		}
	}
	var ok bool
	if q.shape, ok = wire.ParseShape(values.Get("format")); !ok {
		return q, problem.New(problem.BadRequest, "format is none of payload, frame and cloudevents")
	}
	if s := values.Get("wait"); s != "" {
		if q.wait, err = parseWait(s); err != nil {
			return q, err
		}
	}
	if s := values.Get("device"); s != "" {
		if !printable(s) {
			return q, problem.New(problem.BadRequest, fmt.Sprintf("device is not text that can be shown, of at most %d bytes in UTF-8", maxDevice))
		}
		q.Device = new(strings.Clone(s)) // it outlives the request
	}
	q.presence = values.Get("presence")
	if q.past() { // it waits for the store alone
		q.wait = maxWait
	}
	q.User = values.Get("user")
	return q, nil
}

func (q *Query) start() feed.Start { return feed.Start{LastID: q.LastID, Since: q.Since} }

// past reports whether a connection begins with what is stored.
func (q *Query) past() bool { return q.LastID == "" && !q.Since.IsZero() }

// parseSince reads from when on a client wants what is stored: a time (RFC 3339), how long
// ago it was, or all. A plus sign that was not encoded in the query is a blank there.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "all" {
		return time.Unix(0, 0), nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if t, err := time.Parse(time.RFC3339, strings.ReplaceAll(s, " ", "+")); err == nil && !t.IsZero() {
		return t, nil
	}
	return time.Time{}, problem.New(problem.BadRequest, "since is neither a duration like 1h nor a time like 2026-01-02T15:04:05Z nor all")
}

// shapeOf is what a client asked for that is not let in.
func shapeOf(r *http.Request) wire.Shape {
	s, _ := wire.ParseShape(r.URL.Query().Get("format"))
	return s
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
