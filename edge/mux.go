package edge

import (
	"net/http"
	"strings"

	"weft/edge/access"
	"weft/edge/problem"
)

// Paths of the public listener. All below /_weft/ is Weft's own.
const (
	pathWeft        = "/_weft/"
	pathEvents      = "/_weft/v1/events"
	pathConnections = "/_weft/v1/connections/"
)

// Names of plain requests, in metrics.
const (
	requestPublish = "publish"
	requestChange  = "change"
)

// corsMethods are those of all paths below /_weft/ together.
const corsMethods = "GET, POST, PATCH"

// public is the handler of the public listener.
func (e *Edge) public() http.Handler {
	return access.Named(e.cors.Protect(http.HandlerFunc(e.servePublic)), e.names, "public.hosts", func(r *http.Request, p *problem.Problem) {
		e.blame.refused(onPublic, r, p)
	})
}

// servePublic dispatches by the path as it was sent. An http.ServeMux would
// answer an unclean path with a redirect.
func (e *Edge) servePublic(w http.ResponseWriter, r *http.Request) {
	if e.draining.Load() {
		// What follows is for another node to answer. Over HTTP/2 it is told so
		// by GOAWAY, and what is open stays.
		w.Header().Set("Connection", "close")
	}
	path := r.URL.Path
	connection, isConnection := strings.CutPrefix(path, pathConnections)
	switch {
	case path == pathEvents && r.Method == http.MethodGet:
		e.connect(w, r)
	case path == pathEvents && r.Method == http.MethodPost:
		e.request(w, r, requestPublish, e.publish(w, r))
	case path == pathEvents:
		notAllowed(w, "GET, POST")
	case isConnection && r.Method == http.MethodPatch:
		e.request(w, r, requestChange, e.patchConnection(w, r, connection))
	case isConnection:
		notAllowed(w, "PATCH")
	default:
		problem.Write(w, problem.New(problem.NotFound, "there is nothing here"))
	}
}

// request finishes a plain request that was served or failed with err.
func (e *Edge) request(w http.ResponseWriter, r *http.Request, name string, err error) {
	if err == nil {
		e.metrics.requests.WithLabelValues(name, "ok").Inc()
		return
	}
	p := problem.Of(err)
	e.metrics.requests.WithLabelValues(name, string(p.Code)).Inc()
	e.blame.refused(onPublic, r, p)
	problem.Write(w, err)
}

func notAllowed(w http.ResponseWriter, allow string) {
	p := problem.New(problem.BadRequest, "the method is not one of "+allow)
	p.Status = http.StatusMethodNotAllowed
	w.Header().Set("Allow", allow)
	problem.Write(w, p)
}
