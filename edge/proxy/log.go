package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"weft/edge/problem"
	"weft/edge/route"
)

// A LogMode is which requests are logged.
type LogMode string

// The modes.
const (
	LogNone LogMode = "none"
	// LogErrors logs those that were answered with 5xx, or broken off by us or the target.
	LogErrors LogMode = "errors"
	LogAll    LogMode = "all"
)

// Check says what is wrong with a mode.
func (m LogMode) Check() error {
	switch m {
	case LogNone, LogErrors, LogAll:
		return nil
	}
	return fmt.Errorf("%q is none of none, errors and all", string(m))
}

// tell counts an exchange that is over, and logs it. returned is false when the handler
// broke off.
func (x *exchange) tell(returned bool) {
	o := x.ending(returned)
	counts := x.proxy.metrics.unmatched
	if x.lane != nil {
		counts = x.lane.counts
	}
	counts.add(o)
	p := &x.proxy.p
	logged := p.Logs == LogAll || p.Logs == LogErrors && (x.status >= 500 || o == aborted)
	if !logged && p.Recorder == nil {
		return
	}
	rec := recordOf(x, o)
	if p.Recorder != nil {
		p.Recorder.Log(rec)
	}
	if logged {
		level := slog.LevelInfo
		if x.status >= 500 || o == aborted {
			level = slog.LevelWarn
		}
		p.Log.LogAttrs(context.Background(), level, "request", slog.String("route", rec.Route), slog.String("method", rec.Method),
			slog.String("path", rec.Path), slog.Int("status", rec.Status), slog.Int64("bytes", rec.Bytes),
			slog.Duration("duration", rec.Duration), slog.String("target", rec.Target), slog.String("user", rec.User),
			slog.String("session", rec.Session), slog.String("address", rec.Address), slog.String("request_id", rec.RequestID),
			slog.String("outcome", rec.Outcome))
	}
}

// ending is what became of the exchange.
func (x *exchange) ending(returned bool) outcome {
	if x.outcome != outcomes {
		return x.outcome
	}
	ended := false
	if x.ctx != nil {
		_, ended = errors.AsType[*problem.Problem](context.Cause(x.ctx))
	}
	switch {
	case ended:
		return aborted // after the head, or it would be a problem
	case !returned && (x.failedOut || left(x)):
		return clientGone
	case !returned:
		return aborted
	case x.status == 0:
		return succeeded // a preflight of net/http's own making
	}
	return outcomeOf(x.status)
}

// longest bounds what a record says of a path and of a method, in bytes.
const longest = 2 << 10

// recordOf is what the log says of the exchange.
func recordOf(x *exchange, o outcome) *route.Record {
	call := &x.call
	took := time.Since(x.began)
	rec := &route.Record{
		Began: x.began, Route: x.routeName(), Method: call.Request.Method, Path: shownPath(call),
		Status: x.status, Bytes: x.bytes, Duration: took, Seconds: took.Seconds(), Target: x.target,
		User: call.User, Session: call.Session, RequestID: call.RequestID, Outcome: o.String(),
	}
	rec.Method = rec.Method[:min(len(rec.Method), longest)]
	if call.Address.IsValid() {
		rec.Address = call.Address.String()
	}
	if rec.Target == "" && call.Route != nil {
		rec.Target = call.Route.Targets[0].Text
	}
	return rec
}

// shownPath is the path of a request as it was sent, with the query as names without
// values.
func shownPath(call *route.Call) string {
	var b strings.Builder
	b.WriteString(route.SentPath(call.Request))
	mark := byte('?')
	for part := range strings.SplitSeq(call.Request.URL.RawQuery, "&") {
		if part == "" || b.Len() > longest {
			continue
		}
		name, _, _ := strings.Cut(part, "=")
		b.WriteByte(mark)
		b.WriteString(name)
		mark = '&'
	}
	text := b.String()
	return text[:min(len(text), longest)]
}
