package upstream

import (
	"net/http"

	"weft/edge/route"
)

// Response makes of a target's answer, whatever its scheme, what the client is told.
func (u *Upstreams) Response(res *http.Response, call *route.Call) {
	h, to := res.Header, &call.Route.ResponseHeaders
	clean(h, to.Remove)
	if res.Trailer != nil {
		clean(res.Trailer, to.Remove)
		if len(res.Trailer) > 0 {
			delete(h, "Content-Length") // HTTP/1 has trailers behind chunks only
		}
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	}
	for name, value := range to.Set {
		h[name] = []string{value}
	}
	h["X-Request-Id"] = []string{call.RequestID}
}
