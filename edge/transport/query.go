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
	User     string // counts in auth.mode none only
	filter   session.Filter
	shape    wire.Shape
	wait     time.Duration
	presence string // poll: of the states that the client has
	// Device is what the client calls itself, nil when it does not.
	Device *string
}

// Parameters are those of a query.
func Parameters() parameter.List {
	return parameter.Once(parameter.LastEventID, "format", "wait", "presence", "device").Many("subject", "type")
}

// ParseQuery reads a request's query and Last-Event-ID. Its errors are problems.
func ParseQuery(r *http.Request, takes parameter.List) (Query, error) {
	q := Query{wait: defaultWait}
	values, err := takes.Read(r.URL.RawQuery)
	if err != nil {
		return q, err
	}
	for _, s := range values["subject"] {
		q.Subjects = append(q.Subjects, strings.Clone(s)) // it outlives the request
	}
	if q.filter, err = session.ParseFilter(values["type"]); err != nil {
		return q, err
	}
	if q.LastID = r.Header.Get("Last-Event-Id"); q.LastID == "" {
		q.LastID = values.Get(parameter.LastEventID)
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
	q.User = values.Get("user")
	return q, nil
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
