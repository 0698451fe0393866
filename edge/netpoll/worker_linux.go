package netpoll

import (
	"sync"
	"time"
)

const (
	// share is how many connections of a large fan-out are served before the
	// others are asked again.
	share = 64
	// lookEvery is how often connections with a time limit are looked at.
	lookEvery = 100 * time.Millisecond
)

// A worker serves a part of the connections.
type worker struct {
	poller *Poller
	raw    bool   // Config.RawCalls
	buffer []byte // to read into
	joined []byte // to join small frames in

	wake chan struct{}

	mu      sync.Mutex
	quick   []*Conn
	bulk    []*Conn
	stopped bool

	limited []*Conn // those with a time limit; the worker's own
}

func newWorker(p *Poller) *worker {
	return &worker{poller: p, raw: p.cfg.RawCalls, wake: make(chan struct{}, 1), buffer: make([]byte, 16<<10), joined: make([]byte, 0, Piece)}
}

func (w *worker) push(c *Conn, bulk bool) {
	w.mu.Lock()
	queue := &w.quick
	if bulk {
		queue = &w.bulk
	}
	*queue = append(*queue, c)
	first := len(*queue) == 1
	w.mu.Unlock()
	if first {
		w.signal()
	}
}

func (w *worker) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *worker) stop() {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.signal()
}

// run works until the poller ends and everything is closed. It rests only when it has
// just found nothing to do: who is entered while it works may not have woken it.
func (w *worker) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var quick, bulk, spare []*Conn
	at := 0          // in bulk
	allowed := false // to serve what is in bulk
	looked := time.Now()
	for {
		w.mu.Lock()
		quick, w.quick = w.quick, spare[:0]
		if at == len(bulk) {
			clear(bulk)
			bulk, w.bulk, at = w.bulk, bulk[:0], 0
		}
		stopped := w.stopped
		w.mu.Unlock()
		for _, c := range quick {
			c.work()
		}
		clear(quick)
		spare = quick
		more := allowed || len(quick) > 0
		if allowed {
			end := min(len(bulk), at+share)
			for ; at < end; at++ {
				bulk[at].work()
			}
			if at == len(bulk) {
				<-w.poller.bulk
				allowed = false
			}
		}
		if len(w.limited) > 0 {
			if now := time.Now(); now.Sub(looked) >= lookEvery {
				looked = now
				w.expire(now.UnixNano())
			}
		}
		if more {
			continue
		}
		var semaphore chan<- struct{}
		if at < len(bulk) {
			semaphore = w.poller.bulk
		} else if stopped {
			return
		}
		if len(w.limited) > 0 {
			timer.Reset(lookEvery)
		}
		select {
		case <-w.wake:
		case semaphore <- struct{}{}:
			allowed = true
		case <-timer.C:
		}
	}
}

// expire gives up those whose time is over.
func (w *worker) expire(now int64) {
	kept := w.limited[:0]
	for _, c := range w.limited {
		if c.expire(now) {
			kept = append(kept, c)
		} else {
			c.inLimited = false
		}
	}
	clear(w.limited[len(kept):])
	w.limited = kept
}
