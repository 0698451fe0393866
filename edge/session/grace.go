package session

import "time"

// How long the farewell may take: what must not be seen any more is cut off at
// once, everybody else gets what is queued for him.
const (
	graceCut = 500 * time.Millisecond
	// GraceKeep is the longest.
	GraceKeep = 5 * time.Second
)

// Grace is how long the farewell of a session that ends with c may take.
func (c Cause) Grace() time.Duration {
	if c.Ending().Cut {
		return graceCut
	}
	return GraceKeep
}
