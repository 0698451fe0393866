package httpd

import "time"

// workerWait is for how long a worker waits for work.
const workerWait = time.Second

// workers are goroutines that serve short requests one after the other: their
// stacks have grown already, which costs a fresh goroutine as much as the parsing
// of its request. There is no bound; only so many wait for work, those beyond end
// with theirs.
type workers struct {
	work chan func()
	idle chan struct{} // a place for each that waits
	done chan struct{} // ends those that wait
}

func newWorkers(waiting int, done chan struct{}) *workers {
	return &workers{work: make(chan func()), idle: make(chan struct{}, waiting), done: done}
}

// run calls f on a goroutine.
func (w *workers) run(f func()) {
	select {
	case w.work <- f:
	default:
		go w.serve(f)
	}
}

func (w *workers) serve(f func()) {
	timeout := time.NewTimer(workerWait)
	defer timeout.Stop()
	for {
		f()
		select {
		case w.idle <- struct{}{}:
		default:
			return
		}
		timeout.Reset(workerWait)
		select {
		case f = <-w.work:
			<-w.idle
		case <-timeout.C:
			<-w.idle
			return
		case <-w.done:
			return
		}
	}
}
