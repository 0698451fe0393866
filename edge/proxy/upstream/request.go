package upstream

import (
	"net/http"
	"net/url"
	"strings"

	"weft/edge/route"
)

// Rewrite makes of a copy of the client's request, which httputil.ReverseProxy has taken
// the hop-by-hop headers from, what the target is sent. The copy's headers are its own.
func (u *Upstreams) Rewrite(out *http.Request, call *route.Call) {
	in, r := call.Request, call.Route
	rewriteURL(out, call)
	out.Host = ""
	if r.PreserveHost {
		out.Host = in.Host
	}
	h := out.Header
	for name := range h {
		if isOurs(name) || isRewritten(name) {
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
		if call.Upgrade && in.ProtoMajor == 1 && in.ProtoMinor > 0 && r.Scheme != route.H2C {
			h["Upgrade"], h["Connection"] = []string{"websocket"}, []string{"Upgrade"}
		}
	}
	guardKey(out)
	out.Trailer = announced(in.Trailer)
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

// announced are the trailers that the client says will come, but for ours; their values
// follow with the body.
func announced(trailer http.Header) http.Header {
	var t http.Header
	for name := range trailer {
		if !isOurs(name) && !isRewritten(name) {
			if t == nil {
				t = http.Header{}
			}
			t[name] = nil
		}
	}
	return t
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
