package route

import (
	"context"
	"net/http"
	"net/netip"
)

// A Call is a request on its way through a route. It must not be changed once the
// request is being forwarded.
type Call struct {
	Route *Route
	// Request is the client's own.
	Request *http.Request
	// Values are those of the pattern's placeholders, in its order, as they were sent:
	// still escaped. The last one is that of the rest, if the pattern names one.
	Values []string

	// User and Session are those of the token; "" without one.
	User, Session string
	// Claims are those of the token, numbers as json.Number; nil without one.
	Claims map[string]any
	// Address is the client's, as trusted proxies have it.
	Address netip.Addr
	// RequestID is handed to the target and back to the client.
	RequestID string
	// Correlation is what an answer that comes later names; "" when nobody waits for one
	// and none is needed.
	Correlation string
	// Answer is where such an answer comes, once at most; nil unless the route has a reply.
	Answer <-chan *Answer

	// Trusted is set when the peer is a proxy whose headers about the client count.
	Trusted bool
	// Upgrade is set when the client asks for a WebSocket, as one may.
	Upgrade bool
	// End ends the request while it runs, and may be called more than once, by anybody. Its
	// first cause counts: a problem answers the client unless the head is out already, and
	// then the connection is aborted. nil outside of a running request.
	End func(cause error)
}

// A CallKey is the key of a call in a context; the value is a *Call.
type CallKey struct{}

// WithCall returns a context that CallOf finds the call in. Requests that a target, which
// is an http.RoundTripper, is handed have one.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, CallKey{}, c)
}

// CallOf returns the call that a request for a target belongs to, nil when there is none.
func CallOf(ctx context.Context) *Call {
	c, _ := ctx.Value(CallKey{}).(*Call)
	return c
}
