package edge

import (
	"bytes"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
	"weft/jetstream/ratelog"
)

// Causes of what strangers can make a node say, beside the codes of problems.
const (
	causeTLS   = "tls_handshake"
	causeHTTP  = "http" // what net/http says of a connection
	causePanic = "panic"
	causeHost  = "host"
)

// Names of the listeners.
const (
	onPublic = "public"
	onAdmin  = "admin"
)

// An errorReporter says what strangers do wrong: each is counted, and of a cause one line a
// minute is written, whoever sends how much.
type errorReporter struct {
	log   *ratelog.Log
	total *prometheus.CounterVec
}

func newErrorReporter(log *slog.Logger, total *prometheus.CounterVec) *errorReporter {
	for _, cause := range []string{causeTLS, causeHTTP, causePanic, causeHost} {
		for _, listener := range []string{onPublic, onAdmin} {
			total.WithLabelValues(listener, cause)
		}
	}
	return &errorReporter{ratelog.New(log, time.Now), total}
}

// refused tells of a request that was refused for what is wrong with it. What passes
// by waiting is our own business, and has its metrics.
func (e *errorReporter) refused(listener string, r *http.Request, p *problem.Problem) {
	switch p.Code {
	case problem.Limit, problem.NotReady, problem.Draining, problem.DiskFull, problem.StoreUnavailable,
		problem.Internal, problem.UpstreamUnavailable, problem.UpstreamTimeout, problem.NotFound:
		return
	}
	cause := string(p.Code)
	switch {
	case p.Status == http.StatusMisdirectedRequest:
		cause = causeHost
	case p.Status == http.StatusMethodNotAllowed:
		return
	}
	e.total.WithLabelValues(listener, cause).Inc()
	e.log.Info(listener+" "+cause, "a request was refused", "listener", listener, "cause", cause, "detail", p.Detail, "method", r.Method, "from", r.RemoteAddr)
}

// failed tells of an error of ours that a request has met with.
func (e *errorReporter) failed(doing string, args ...any) { e.log.Error(doing, doing, args...) }

// panicked tells of a panic while a request was served.
func (e *errorReporter) panicked(listener string, args ...any) {
	e.total.WithLabelValues(listener, causePanic).Inc()
	e.log.Error(listener+" "+causePanic, "serve a request: panic", args...)
}

// httpLog is the ErrorLog of a listener's http.Server, which tells of each connection
// that breaks off in a handshake.
func (e *errorReporter) httpLog(listener string) *log.Logger {
	return log.New(&serverLog{e, listener}, "", 0)
}

// A serverLog takes the lines of an http.Server.
type serverLog struct {
	*errorReporter
	listener string
}

// Write implements io.Writer: a line, or several with a stack.
func (l *serverLog) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	if strings.Contains(text, "panic serving") {
		l.panicked(l.listener, "err", text)
		return len(line), nil
	}
	cause := causeHTTP
	if strings.Contains(text, "TLS handshake error") {
		cause = causeTLS
	}
	l.total.WithLabelValues(l.listener, cause).Inc()
	l.log.Info(l.listener+" "+cause, "a connection failed", "listener", l.listener, "cause", cause, "err", text)
	return len(line), nil
}
