package transport

import (
	"io"
	"net/http"
	"sync"
	"time"

	"weft/edge/session"
)

// A deadline bounds each write to a connection. After the session's end it can
// only come nearer; after stop it is not touched.
type deadline struct {
	set     func(time.Time) error
	timeout time.Duration

	mu    sync.Mutex
	last  time.Time // set by hurry
	ended bool
}

// attach gives the connection once it is known.
func (d *deadline) attach(set func(time.Time) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set = set
	if !d.last.IsZero() {
		_ = d.set(d.last)
	}
}

// write is called before each write.
func (d *deadline) write() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last.IsZero() {
		_ = d.set(time.Now().Add(d.timeout))
	}
}

// rest is called when all is written: over HTTP/2 a deadline that passes ends a
// stream also when nothing is being written.
func (d *deadline) rest() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last.IsZero() {
		_ = d.set(time.Time{})
	}
}

// hurry is called when the session has ended.
func (d *deadline) hurry(c session.Cause) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last.IsZero() && !d.ended {
		d.last = time.Now().Add(c.Grace())
		_ = d.set(d.last)
	}
}

// stop is called when nothing more is written.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	_ = d.set(time.Time{})
}

// pieceBytes is how much is written under one deadline: a client is slow when
// it takes less than this in the time, whatever the size of a frame.
const pieceBytes = 64 << 10

// writeFrames writes frames in pieces, each of them in one call. Small frames
// are copied together.
func writeFrames(w io.Writer, frames [][]byte, limit *deadline) (n int, err error) {
	write := func(p []byte) {
		for len(p) > 0 && err == nil {
			piece := p[:min(len(p), pieceBytes)]
			limit.write()
			var done int
			done, err = w.Write(piece)
			n, p = n+done, p[len(piece):]
		}
	}
	if len(frames) == 1 {
		write(frames[0])
		return n, err
	}
	joined := make([]byte, 0, min(pieceBytes, total(frames)))
	for _, f := range frames {
		if len(joined)+len(f) > pieceBytes {
			write(joined)
			joined = joined[:0]
		}
		if len(joined) == 0 && len(f) > pieceBytes/2 {
			write(f)
			continue
		}
		joined = append(joined, f...)
	}
	write(joined)
	return n, err
}

// sendFrames writes frames to a response of net/http and flushes them.
func sendFrames(w http.ResponseWriter, frames [][]byte, limit *deadline) (n int, err error) {
	n, err = writeFrames(w, frames, limit)
	if err == nil {
		err = http.NewResponseController(w).Flush()
	}
	limit.rest()
	return n, err
}

func total(frames [][]byte) (n int) {
	for _, f := range frames {
		n += len(f)
	}
	return n
}
