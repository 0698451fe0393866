package upstream

import (
	"net/http"
	"strings"

	"weft/edge/access"
	"weft/edge/route"
)

const (
	tokenParameter = "access_token"
	// bearerOffer begins a subprotocol that is a token, which pages put there.
	bearerOffer = "bearer."
)

// withoutToken removes the token from the headers of a request, wherever it may stand.
func withoutToken(h http.Header) {
	delete(h, "Authorization")
	replace(h, "Cookie", route.WithoutCookie(h["Cookie"], access.Cookie))
	const protocol = "Sec-Websocket-Protocol"
	var lines []string
	for _, line := range h[protocol] {
		var offers []string
		for offer := range strings.SplitSeq(line, ",") {
			if offer = strings.TrimSpace(offer); !strings.HasPrefix(offer, bearerOffer) {
				offers = append(offers, offer)
			}
		}
		if len(offers) > 0 {
			lines = append(lines, strings.Join(offers, ", "))
		}
	}
	replace(h, protocol, lines)
}

// replace sets the values of a header that may then be none.
func replace(h http.Header, name string, values []string) {
	if len(values) == 0 {
		delete(h, name)
	} else {
		h[name] = values
	}
}
