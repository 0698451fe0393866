package upstream

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"weft/edge/route"
)

// Rewrite makes of a copy of the client's request, which the proxy has taken the hop-by-hop
// headers from, what the target is sent. The copy's map of headers is its own; their values
// are the client's and stay as they are.
func (u *Upstreams) Rewrite(out *http.Request, call *route.Call) {
	in, r := call.Request, call.Route
	rewriteURL(out, call)
	out.Host = ""
	if r.PreserveHost {
		out.Host = in.Host
	}
	h := out.Header
	for name := range h {
		if route.OwnHeader(name) || isRewritten(name) || isShadow(name, r) {
			delete(h, name)
		}
	}
	keepValidTrace(h)
	if !r.PassToken {
		withoutToken(h)
	}
	for _, name := range r.RequestHeaders.Remove {
		delete(h, name)
	}
	call.SetHeaders(h)
	setOurs(h, call)
	if h["Upgrade"] != nil {
		delete(h, "Upgrade")
		delete(h, "Connection")
		if call.Upgrade && r.Scheme != route.H2C {
			h["Upgrade"], h["Connection"] = []string{"websocket"}, []string{"Upgrade"}
		}
	}
	guardKey(out)
	out.Trailer = announced(in.Trailer, r)
}

// rewriteURL is the target's, with path and query byte for byte. Without a host it says
// that there is none.
func rewriteURL(out *http.Request, call *route.Call) {
	in, target := call.Request, &call.Route.Targets[0]
	path := route.SentPath(in)
	if target.Path != nil {
		var err error
		if path, err = target.Path.Path(call); err != nil {
			out.URL = &url.URL{}
			return
		}
	}
	to := &url.URL{Scheme: "http", Host: target.Host, RawQuery: in.URL.RawQuery}
	if !call.Route.PassToken {
		to.RawQuery = route.WithoutParameter(to.RawQuery, tokenParameter)
	}
	switch {
	case target.RawQuery != "" && to.RawQuery != "":
		to.RawQuery = target.RawQuery + "&" + to.RawQuery
	case target.RawQuery != "":
		to.RawQuery = target.RawQuery
	case to.RawQuery == "":
		to.ForceQuery = in.URL.ForceQuery
	}
	// An opaque URL is written as it is, where a path would be escaped anew; but not one
	// that looks like an authority.
	if strings.HasPrefix(path, "//") {
		to.RawPath = path
		to.Path, _ = url.PathUnescape(path)
	} else {
		to.Opaque = path
	}
	out.URL = to
}

// isShadow reports whether a header of the client is one that the route sets or removes, in
// the spelling with _ which many servers take for -: it would stand beside ours there.
func isShadow(name string, r *route.Route) bool {
	if strings.IndexByte(name, '_') < 0 {
		return false
	}
	same := func(of string) bool { return route.SameHeader(name, of) }
	return slices.ContainsFunc(r.RequestHeaders.Remove, same) ||
		slices.ContainsFunc(r.RequestHeaders.Set, func(s route.SetHeader) bool { return same(s.Name) })
}

// announced are the trailers that the client says will come, but for such as mean
// something for Weft, the route or the connection: a server may take a trailer for a header
// (RFC 9110, section 6.5.1). Their values follow with the body.
func announced(trailer http.Header, r *route.Route) http.Header {
	var t http.Header
	for name := range trailer {
		if !route.OwnHeader(name) && !isRewritten(name) && !isDecided(name, r) {
			if t == nil {
				t = http.Header{}
			}
			t[name] = nil
		}
	}
	return t
}

// isDecided reports whether a header is decided on before a request is served: who sends
// it, where it goes, or what the route sets or removes.
func isDecided(name string, r *route.Route) bool {
	if route.RefusedHeader(name) || name == "Authorization" || name == "Cookie" || isShadow(name, r) {
		return true
	}
	return slices.Contains(r.RequestHeaders.Remove, name) ||
		slices.ContainsFunc(r.RequestHeaders.Set, func(s route.SetHeader) bool { return s.Name == name })
}

// repeatKeys make a http.Transport send a request again which has no body, whatever its
// method, when the connection ends.
var repeatKeys = [...]string{"Idempotency-Key", "X-Idempotency-Key"}

// guardKey hides them from it in another spelling, unless the method may be repeated
// anyway.
func guardKey(out *http.Request) {
	switch out.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return
	}
	for _, key := range repeatKeys {
		if v, ok := out.Header[key]; ok {
			delete(out.Header, key)
			out.Header[strings.ToLower(key)] = v
		}
	}
}
