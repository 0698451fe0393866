package upstream

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"weft/edge/problem"
)

// A clock ends a request in which nothing moves, or whose answer does not begin in time. Its
// methods may be called concurrently. It has one timer for both, which is set as seldom as
// can be: when it goes off, it looks what the time is for.
type clock struct {
	idle, head time.Duration // the limits
	end        func(late bool)

	moved atomic.Int64 // since the process began, in nanoseconds

	mu      sync.Mutex
	timer   *time.Timer
	written time.Duration // when the request was, since the process began; 0: it is not, or the answer has begun
	begun   bool          // the answer has
	stopped bool
}

// birth is when the process began, about: from it one can count without a clock that jumps.
var birth = time.Now()

// touch tells that something moved.
func (c *clock) touch() { c.moved.Store(int64(time.Since(birth))) }

// start counts from now on how long nothing moves, unless the answer has begun.
func (c *clock) start() {
	c.touch()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun {
		c.written = 0
		c.within(c.idle)
	}
}

// wrote tells that the request is written: from now on the answer may be late, and nothing
// else needs to move.
func (c *clock) wrote() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun {
		c.written = time.Since(birth)
		c.within(c.head)
	}
}

// answered tells that the answer has begun, and whether something must move from now on.
func (c *clock) answered(moves bool) {
	c.touch()
	c.mu.Lock()
	defer c.mu.Unlock()
	waited := c.written != 0
	c.written, c.begun = 0, true
	switch {
	case !moves:
		c.stopLocked()
	case !waited || c.idle < c.head: // or the timer goes off early enough
		c.within(c.idle)
	}
}

// within sets the timer.
func (c *clock) within(d time.Duration) {
	switch {
	case c.stopped:
	case c.timer == nil:
		c.timer = time.AfterFunc(d, c.look)
	default:
		c.timer.Reset(d)
	}
}

// look is called when it may be time.
func (c *clock) look() {
	c.mu.Lock()
	late := c.written != 0
	left := c.idle - (time.Since(birth) - time.Duration(c.moved.Load()))
	if late {
		left = c.head - (time.Since(birth) - c.written)
	}
	over := c.stopped
	if !over && left > 0 {
		c.timer.Reset(left)
	}
	c.mu.Unlock()
	if !over && left <= 0 {
		c.end(late)
	}
}

// stop ends the watch for good.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopLocked()
}

func (c *clock) stopLocked() {
	c.begun, c.stopped = true, true
	if c.timer != nil {
		c.timer.Stop()
	}
}

// timeUp ends the call: for idle_timeout nothing moved, or the answer is late.
func (t *trip) timeUp(late bool) {
	p := problem.New(problem.UpstreamTimeout, "nothing moved for "+t.clock.idle.String())
	switch {
	case late:
		p = problem.New(problem.UpstreamTimeout, "the back end did not answer in time")
	case t.body != nil && t.body.reading.Load():
		p = problem.New(problem.BadRequest, "the body did not arrive in time")
		p.Status = http.StatusRequestTimeout
	}
	t.call.End(p)
}
