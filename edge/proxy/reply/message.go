package reply

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"

	"weft/edge/route"
	"weft/jetstream/rpc"
)

// encode makes of an answer what nodes tell each other. Bytes stay as they are, so that
// the message is hardly longer than what came, and no value is changed:
//
//	<correlation> LF <status> LF { <name> ":" <value> LF } LF <body>
func encode(correlation string, a *route.Answer) []byte {
	out := make([]byte, 0, len(a.Body)+1024)
	out = append(append(out, correlation...), '\n')
	out = append(strconv.AppendInt(out, int64(a.Status), 10), '\n')
	for name, values := range a.Header {
		for _, value := range values {
			out = append(append(append(append(out, name...), ':'), value...), '\n')
		}
	}
	return append(append(out, '\n'), a.Body...)
}

// decode is the reverse. What is not of that form is not ok.
func decode(data []byte) (correlation string, a *route.Answer, ok bool) {
	line := func() (text string) {
		before, after, found := bytes.Cut(data, []byte("\n"))
		ok = found
		data = after
		return string(before)
	}
	a = &route.Answer{Header: http.Header{}}
	if correlation = line(); !ok {
		return "", nil, false
	}
	var err error
	if a.Status, err = strconv.Atoi(line()); err != nil || a.Status < 200 || a.Status > 599 {
		return "", nil, false
	}
	for field := line(); field != ""; field = line() {
		name, value, found := strings.Cut(field, ":")
		if !found || !route.HeaderName(name) || !route.HeaderValue(value) {
			return "", nil, false
		}
		a.Header.Add(name, value)
	}
	a.Body = data
	return correlation, a, ok && len(data) <= route.MaxAnswer
}

// handle takes answers that other nodes bring, and tells what became of them.
func (w *Waiting) handle(nodes *rpc.RPC) {
	nodes.Handle(methodReply, repliesAtOnce, func(_ context.Context, data []byte) []byte {
		correlation, a, ok := decode(data)
		switch {
		case !ok:
			return nil
		case !w.Mine(correlation): // it was brought to the process that was here before
			return []byte(Foreign)
		}
		return []byte(w.Deliver(correlation, a, nil))
	})
}
