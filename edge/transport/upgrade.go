package transport

import (
	"net/http"

	"weft/edge/problem"
)

// CheckUpgrade says what is wrong with the handshake of a WebSocket (RFC 6455, section
// 4.1) that is none any more and was taken for a request to t: Upgrade and Connection
// are for one hop, so a proxy that is not told to pass them on takes them away. To
// answer it as a long poll would leave its page without a hint.
func CheckUpgrade(w http.ResponseWriter, r *http.Request, t Transport) error {
	if t.Name() == WebSocket || r.Header.Get("Sec-Websocket-Key") == "" {
		return nil
	}
	if r.ProtoMajor == 1 { // later versions forbid both (RFC 9113, section 8.2.2)
		w.Header().Set("Upgrade", "websocket")
		w.Header().Add("Connection", "Upgrade")
	}
	p := problem.New(problem.BadRequest, "this was a WebSocket handshake, but it came without \"Upgrade: websocket\" and "+
		"\"Connection: Upgrade\": a proxy on the way drops the Upgrade header and must be told to pass both on")
	p.Status = http.StatusUpgradeRequired
	return p
}
