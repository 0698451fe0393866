package transport

import (
	"encoding/json"
	"time"

	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/wire"
)

// causes maps the problems that are also endings.
var causes = map[problem.Code]session.Cause{
	problem.TokenExpired: session.Expired,
	problem.TokenRevoked: session.Revoked,
	problem.Limit:        session.Limit,
	problem.Draining:     session.Draining,
	problem.NotReady:     session.NotReady,
}

// passes reports whether a problem passes by waiting, and how it is spelt.
func passes(p *problem.Problem) (session.Cause, bool) {
	c, ok := causes[p.Code]
	return c, ok && p.Code != problem.TokenExpired && p.Code != problem.TokenRevoked
}

// comeBack is when a client that was sent away may come back, each at another
// time; 0 when that is for the client to choose.
func comeBack(c session.Cause) time.Duration {
	switch c {
	case session.Draining, session.NotReady, session.Isolated, session.Limit:
		return problem.Jitter(wire.Reconnect / 2)
	}
	return 0
}

// saying is what follows a sentence when an operator has said something to it.
func saying(detail string) string {
	if detail == "" {
		return ""
	}
	return ": " + detail
}

// A Farewell is the data of weft.close.
type Farewell struct {
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"`
	Detail    string `json:"detail,omitempty"`
	Retry     int64  `json:"retry,omitempty"` // milliseconds, as in SSE
}

// farewell is the data of weft.close. detail is what an operator says, or "". retry says when to come back where the
// transport has no other word for it; 0 says nothing.
func farewell(c session.Cause, detail string, retry time.Duration) []byte {
	data, _ := json.Marshal(Farewell{c.Ending().Reason, c.Ending().Reconnect, detail, retry.Milliseconds()})
	return data
}
