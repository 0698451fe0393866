package edge

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/access"
	"weft/edge/client"
	"weft/edge/openapi"
	"weft/edge/problem"
)

// Paths of the public listener. All below /_weft/ is Weft's own.
const (
	pathWeft        = "/_weft/"
	pathEvents      = "/_weft/v1/events"
	pathConnections = "/_weft/v1/connections/"
	pathMe          = "/_weft/v1/me"
	pathModules     = "/_weft/v1/" // of the client
	pathDocument    = openapi.Path
)

// Names of plain requests, in metrics.
const (
	requestPublish = "publish"
	requestChange  = "change"
	requestMe      = "me"
)

// corsMethods are those of all paths below /_weft/ together.
const corsMethods = "GET, POST, PATCH"

// A mux dispatches the requests of the public listener, which may come from pages of
// the origins that the configuration names.
type mux struct {
	connect  *connector
	publish  *publisher
	change   *changer
	me       *mirror
	modules  []*client.Module
	ready    *readiness
	report   *errorReporter
	requests *prometheus.CounterVec
	others   http.Handler // all that is not below /_weft/
	weft     http.Handler // all below it

	endpoints []endpoint
	document  *openapi.Served
	grants    grants
}

// An endpoint is a method of one of Weft's own paths. With a slot, what follows the path in a
// request is handed to serve.
type endpoint struct {
	method, path, slot string
	serve              func(w http.ResponseWriter, r *http.Request, rest string)
	says               openapi.Operation
}

// has reports whether a path is the endpoint's, and what it has in the slot.
func (e *endpoint) has(path string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, e.path)
	return rest, ok && (rest == "" || e.slot != "")
}

// newMux makes the handler of the public listener; names nil lets it be addressed by any.
func newMux(m mux, cors *access.CORS, names *access.Host) http.Handler {
	m.endpoints = m.table()
	m.grants.named = names != nil
	m.document = openapi.Serve(m.describe)
	m.weft = cors.Protect(m.closing(m.serveWeft))
	m.others = m.closing(m.others.ServeHTTP)
	named := access.Named(&m, names, "public.hosts", func(r *http.Request, p *problem.Problem) {
		m.report.refused(onPublic, r, p)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect { // its host is that of a tunnel, which there is not
			m.others.ServeHTTP(w, r)
			return
		}
		named.ServeHTTP(w, r)
	})
}

// ServeHTTP implements http.Handler. It dispatches by the path as it was sent: an
// http.ServeMux would answer an unclean one with a redirect.
func (m *mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.RequestURI, " ") {
		// Over HTTP/2 it may. Over HTTP/1, to a back end, all that follows would be the
		// sender's: the version, and with it where the request ends.
		problem.Write(w, problem.New(problem.BadRequest, "the path or the query has a space"))
		return
	}
	if strings.HasPrefix(r.URL.Path, pathWeft) {
		m.weft.ServeHTTP(w, r)
		return
	}
	m.others.ServeHTTP(w, r)
}

// closing makes the answers of a node that drains the last ones of their connections:
// what follows is for another node to answer. Over HTTP/2 the client is told so by
// GOAWAY, and what is open stays.
func (m *mux) closing(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.ready.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		h(w, r)
	})
}

// serveWeft serves Weft's own paths.
func (m *mux) serveWeft(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	for i := range m.endpoints {
		at := &m.endpoints[i]
		if at.method != r.Method {
			continue
		}
		if rest, ok := at.has(path); ok {
			at.serve(w, r, rest)
			return
		}
	}
	var allow []string
	for i := range m.endpoints {
		if _, ok := m.endpoints[i].has(path); ok {
			allow = append(allow, m.endpoints[i].method)
		}
	}
	if allow != nil {
		notAllowed(w, strings.Join(allow, ", "))
		return
	}
	problem.Write(w, nothingHere())
}

// plain finishes a plain request that was served or failed with err.
func (m *mux) plain(w http.ResponseWriter, r *http.Request, name string, err error) {
	if err == nil {
		m.requests.WithLabelValues(name, "ok").Inc()
		return
	}
	p := problem.Of(err)
	m.requests.WithLabelValues(name, string(p.Code)).Inc()
	m.report.refused(onPublic, r, p)
	problem.Write(w, err)
}

func nothingHere() error { return problem.New(problem.NotFound, "there is nothing here") }

func notAllowed(w http.ResponseWriter, allow string) {
	p := problem.New(problem.BadRequest, "the method is not one of "+allow)
	p.Status = http.StatusMethodNotAllowed
	w.Header().Set("Allow", allow)
	problem.Write(w, p)
}
