package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weft/edge/problem"
)

// restTime is how long what is left of a request's body is waited for once the request is
// answered, so that the answer is not lost in a connection that breaks.
const restTime = time.Second

// A limitedBody is the body of a request up to a limit. One more byte ends the request.
type limitedBody struct {
	io.ReadCloser
	room, limit int64 // limit -1: none
	end         func(error)
	closed      atomic.Bool           // the target is done with it
	reading     sync.Mutex            // held by a Read
	over        bool                  // nobody is to read any more
	whole       atomic.Bool           // it was read to its end
	broken      atomic.Pointer[error] // what its client did wrong
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.over || b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.limit >= 0 && int64(len(p)) > b.room+1 {
		p = p[:b.room+1]
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case b.limit >= 0 && int64(n) > b.room:
		n, b.room, err = int(b.room), 0, tooLarge(b.limit)
		b.end(err)
		return n, err
	case err == io.EOF:
		b.whole.Store(true)
	case err != nil:
		b.broken.CompareAndSwap(nil, &err)
	}
	b.room -= int64(n)
	return n, err
}

// Close implements io.Closer. The client's body is for the server to close: that reads what
// is left, and could wait for it.
func (b *limitedBody) Close() error {
	b.closed.Store(true)
	return nil
}

// stop returns when nobody reads any more; a Read that waits must be woken.
func (b *limitedBody) stop() {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.over = true
}

// left reports whether there is more to read.
func (b *limitedBody) left() bool { return b.ReadCloser != nil && !b.whole.Load() }

func tooLarge(limit int64) error {
	return problem.New(problem.TooLarge, fmt.Sprintf("the body is longer than %d bytes", limit))
}

// lastOne makes the current answer the last one of a connection of HTTP/1, also when its
// head is out; the connection is then closed so that the answer can still be read. It is
// what http.MaxBytesReader does where its limit is passed.
func lastOne(w http.ResponseWriter) {
	_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("..")), 0).Read(make([]byte, 1))
}
