package upstream

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"weft/edge/problem"
)

// An idle ends a request in which nothing moves. Its methods may be called concurrently.
type idle struct {
	limit time.Duration
	end   func()

	moved  atomic.Int64 // since the process began, in nanoseconds
	paused atomic.Bool

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// begun is when the process did: from it one can count without a clock that jumps.
var begun = time.Now()

// touch tells that something moved.
func (i *idle) touch() { i.moved.Store(int64(time.Since(begun))) }

// pause lets time pass until start: something else bounds it.
func (i *idle) pause() { i.paused.Store(true) }

// start counts from now on. It may be called again.
func (i *idle) start() {
	i.touch()
	i.paused.Store(false)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.timer == nil && !i.stopped {
		i.timer = time.AfterFunc(i.limit, i.look)
	}
}

// look is called when nothing may have moved for long enough.
func (i *idle) look() {
	left := i.limit
	if !i.paused.Load() {
		left -= time.Since(begun) - time.Duration(i.moved.Load())
	}
	i.mu.Lock()
	over := i.stopped
	if !over && left > 0 {
		i.timer.Reset(left)
	}
	i.mu.Unlock()
	if !over && left <= 0 {
		i.end()
	}
}

// stop ends the watch for good.
func (i *idle) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopped = true
	if i.timer != nil {
		i.timer.Stop()
	}
}

// stuck ends the call: for idle_timeout nothing moved.
func (t *trip) stuck() {
	p := problem.New(problem.UpstreamTimeout, "nothing moved for "+t.idle.limit.String())
	if t.body != nil && t.body.reading.Load() {
		p = problem.New(problem.BadRequest, "the body did not arrive in time")
		p.Status = http.StatusRequestTimeout
	}
	if t.call.End != nil {
		t.call.End(p)
	}
	t.cancel(p)
}
