package proxy

import (
	"net/http"
	"slices"
	"strings"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/problem"
	"weft/edge/route"
	"weft/edge/route/pattern"
	"weft/jetstream/routes"
)

// letIn finds the route of a request and checks all that protects it, in this order: path
// and method, match, preflight, readiness, origin, token, blacklist, claims, rate, and the
// declared length. Its errors are problems; answered is set when there is nothing more to
// do.
func (x *exchange) letIn() (answered bool, err error) {
	r := x.call.Request
	path, err := pattern.ParsePath(route.SentPath(r))
	table := x.proxy.p.Table()
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return false, x.notForwarded(table, path)
	}
	if err != nil {
		return false, problem.New(problem.BadRequest, err.Error())
	}
	if !x.proxy.p.Loaded() {
		return false, problem.New(problem.NotReady, "the node is not ready; come back later").RetrySoon()
	}
	if access.IsPreflight(r) {
		if answered, err = x.preflight(table, path); answered || err != nil {
			return answered, err
		}
	}
	if err = x.match(table, path); err != nil {
		return false, err
	}
	if x.call.Route.Auth != route.AuthNone {
		if err = x.proxy.p.Ready(); err != nil {
			return false, err
		}
		if err = x.identify(); err != nil {
			return false, err
		}
	}
	if l := x.lane.rate; l != nil {
		if wait := l.take(l.key(&x.call)); wait > 0 {
			return false, problem.New(problem.Limit, "too many requests to this route; come back later").Retry(wait)
		}
	}
	if limit := x.call.Route.BodyLimit; limit >= 0 && r.ContentLength > limit {
		return false, tooLarge(limit)
	}
	return false, nil
}

// match finds the route.
func (x *exchange) match(table *routes.Table, path *pattern.Path) error {
	r := x.call.Request
	found, values, ok := table.Index.Match(r.Method, r.Host, path)
	if !ok {
		methods, every := table.Index.Methods(r.Host, path)
		if every || len(methods) == 0 {
			return problem.New(problem.NotFound, "there is nothing here")
		}
		return x.notAllowed("no route of this path takes the method", methods)
	}
	x.call.Route, x.call.Values = found, values
	lane, err := x.proxy.lanes.of(found)
	x.lane = lane
	return err
}

// forwarded are the methods of a route that names none.
var forwarded = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

// notForwarded refuses CONNECT and TRACE, whatever the routes.
func (x *exchange) notForwarded(table *routes.Table, path *pattern.Path) error {
	methods := forwarded
	if path != nil {
		if some, every := table.Index.Methods(x.call.Request.Host, path); !every && len(some) > 0 {
			methods = some
		}
	}
	return x.notAllowed("CONNECT and TRACE are not forwarded", methods)
}

// notAllowed is 405 with the methods that are.
func (x *exchange) notAllowed(detail string, methods []string) error {
	x.allow = strings.Join(methods, ", ")
	p := problem.New(problem.BadRequest, detail)
	p.Status = http.StatusMethodNotAllowed
	return p
}

// preflight answers a preflight of a path whose route, for the method that is asked for,
// has cors. Of one whose routes do not take that method any route with cors will do: the
// browser is told the methods. All others are requests like others.
func (x *exchange) preflight(table *routes.Table, path *pattern.Path) (answered bool, err error) {
	r := x.call.Request
	asked := r.Header.Get("Access-Control-Request-Method")
	methods, every := table.Index.Methods(r.Host, path)
	for _, method := range append([]string{asked}, methods...) {
		found, values, ok := table.Index.Match(method, r.Host, path)
		if !ok || found.CORS == nil {
			if ok && method == asked {
				return false, nil
			}
			continue
		}
		if x.lane, err = x.proxy.lanes.of(found); err != nil {
			return false, err
		}
		x.call.Route, x.call.Values = found, values
		if every {
			if methods = forwarded; !slices.Contains(methods, asked) && anyHeader(asked) {
				methods = append(methods[:len(methods):len(methods)], asked)
			}
		}
		x.Header().Set("X-Request-Id", x.call.RequestID)
		cors := access.CORS{Origins: x.lane.cors, Methods: strings.Join(methods, ", "), Header: anyHeader}
		cors.Preflight(x, r)
		return true, nil
	}
	return false, nil
}

// identify finds out whose a request is, and enters it among those that run before the
// blacklist is asked: an entry that comes later finds it.
func (x *exchange) identify() error {
	a, r := x.proxy.p.Auth, x.call.Request
	var id *auth.Identity
	var token access.Token
	var err error
	if a.Verifier.ModeNone() {
		id, err = x.trust()
	} else {
		if token, err = access.TokenOf(r, a.InQuery); err != nil {
			return problem.New(problem.BadRequest, err.Error())
		}
		if x.lane.pages.Permit(r, token) != nil {
			return otherSite()
		}
		if token.Value != "" {
			id, err = a.Authentic(r.Context(), token.Value)
		}
	}
	if err != nil {
		return err
	}
	if id == nil {
		if x.call.Route.Auth == route.AuthOptional {
			return nil
		}
		if a.Verifier.ModeNone() {
			return problem.New(problem.TokenMissing, "user is missing")
		}
		return problem.New(problem.TokenMissing, "a token is needed")
	}
	x.call.User, x.call.Session, x.issued, x.expires = id.User, id.Session, id.Issued, id.Expires
	if !x.enter() {
		return stopping()
	}
	if err := a.Revoked(id); err != nil {
		return err
	}
	if x.lane.claims {
		x.call.Claims = x.proxy.p.Claims(id, token.Value)
		if !x.call.Route.Met(x.call.Claims) {
			return problem.New(problem.Forbidden, "the token does not have the claims that this route requires")
		}
	}
	if x.guest != nil {
		x.guest.Welcome()
	}
	return nil
}

// trust is whose a request is in auth.mode none: whoever it says, nil when it does not.
func (x *exchange) trust() (*auth.Identity, error) {
	r := x.call.Request
	if x.lane.pages.PermitSite(r) != nil {
		return nil, otherSite()
	}
	if !strings.Contains(r.URL.RawQuery, "user") {
		return nil, nil
	}
	switch users := r.URL.Query()["user"]; {
	case len(users) > 1:
		return nil, problem.New(problem.BadRequest, "user is there twice")
	case len(users) == 0 || users[0] == "":
		return nil, nil
	default:
		id, err := x.proxy.p.Auth.Verifier.Trusted(users[0])
		if err != nil {
			return nil, problem.New(problem.BadRequest, "user is longer than 200 bytes")
		}
		return id, nil
	}
}

func otherSite() error {
	return problem.New(problem.Forbidden, "the page's origin is not permitted; public.cors_origins, or cors of the route, adds one")
}
