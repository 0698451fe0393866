package check

import "time"

const (
	// maxSilent is how many questions in a row must find no answer for the circuit to open.
	maxSilent = 5
	// firstPause is for how long it is open then; after each trial in vain twice as long,
	// at most lastPause.
	firstPause, lastPause = time.Second, 15 * time.Second
)

// A circuit leaves a back end alone that does not answer. A status that it did not have to
// give, such as 500 for one subject, does not open it: else one client could close the door
// for all. It is guarded by Checker.mu.
type circuit struct {
	silent int       // in a row
	until  time.Time // zero: closed
	pause  time.Duration
	trying bool // one question finds out whether it is back
}

// open reports whether nobody may be asked now, and for how long.
func (c *circuit) open(now time.Time) (wait time.Duration, open bool) {
	if c.until.IsZero() {
		return 0, false
	}
	if now.Before(c.until) {
		return c.until.Sub(now), true
	}
	return 0, c.trying
}

// enter reports whether a question may be asked; of those that come when the pause is over
// one may. heard must follow.
func (c *circuit) enter(now time.Time) bool {
	if _, open := c.open(now); open {
		return false
	}
	c.trying = !c.until.IsZero()
	return true
}

// heard notes whether the back end answered. It reports whether the circuit opened or closed
// by it.
func (c *circuit) heard(answered bool, now time.Time) (opened, closed bool) {
	if answered {
		closed = !c.until.IsZero()
		*c = circuit{}
		return false, closed
	}
	if c.silent++; c.silent < maxSilent {
		return false, false
	}
	if opened = c.until.IsZero(); opened {
		c.pause = firstPause
	} else if c.trying {
		c.pause = min(2*c.pause, lastPause)
	}
	c.until, c.trying = now.Add(c.pause), false
	return opened, false
}
