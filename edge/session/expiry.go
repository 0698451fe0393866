package session

import (
	"math"
	"strconv"
	"time"

	"weft/edge/wire"
)

// expire ends a session unless its token is good at a time, because it was refreshed
// at the last moment. It reports whether the session has ended.
func expire(s *Session, now time.Time) bool {
	over := func() bool { end := s.identity.Expires; return !end.IsZero() && !now.Before(end) }
	return s.endIf(Expired, "", over) || s.Ended()
}

// warn tells the client of a session in how many seconds its token ends, unless it was refreshed.
func warn(s *Session, now time.Time, before time.Duration) {
	left := s.Identity().Expires.Sub(now)
	if left > before {
		return
	}
	in := max(1, int64(math.Round(left.Seconds())))
	s.Control(wire.TypeExpiring, "", append(strconv.AppendInt([]byte(`{"in":`), in, 10), '}'))
}
