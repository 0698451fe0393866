package proxy

import (
	"net/http"
	"strings"

	"weft/edge/problem"
	"weft/edge/route"
	"weft/edge/route/pattern"
)

// letIn finds the route of a request and checks all that protects it. Its errors are
// problems.
func (x *exchange) letIn(r *http.Request) error {
	p := &x.proxy.p
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return x.notAllowed("CONNECT and TRACE are not forwarded", forwarded)
	}
	path, err := pattern.ParsePath(sentPath(r))
	if err != nil {
		return problem.New(problem.BadRequest, err.Error())
	}
	index := p.Table().Index
	found, values, ok := index.Match(r.Method, r.Host, path)
	if !ok {
		methods, any := index.Methods(r.Host, path)
		if any || len(methods) == 0 {
			return problem.New(problem.NotFound, "there is nothing here")
		}
		return x.notAllowed("no route of this path takes the method", strings.Join(methods, ", "))
	}
	x.call.Route, x.call.Values = found, values
	if found.Auth != route.AuthNone {
		if err := p.Ready(); err != nil {
			return err
		}
		id, err := p.Auth.Identify(r, "")
		if err != nil {
			return err
		}
		x.call.User, x.call.Session = id.User, id.Session
	}
	if found.BodyLimit >= 0 && r.ContentLength > found.BodyLimit {
		return tooLarge(found.BodyLimit)
	}
	return nil
}

// forwarded are the methods that are forwarded anywhere.
const forwarded = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

// notAllowed is 405 with what is.
func (x *exchange) notAllowed(detail, allow string) error {
	x.allow = allow
	p := problem.New(problem.BadRequest, detail)
	p.Status = http.StatusMethodNotAllowed
	return p
}

// sentPath is the path of a request as it was sent: without that of an absolute form's
// scheme and host, and without the query.
func sentPath(r *http.Request) string {
	return route.SentPath(r)
}
