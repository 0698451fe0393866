package proxy

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"weft/edge/httpd"
	"weft/edge/problem"
)

// restTime is how long what is left of a request's body may take to arrive once the
// request is answered.
const restTime = 5 * time.Second

// A limitedBody is the body of a request up to a limit. One more byte ends the request.
type limitedBody struct {
	io.ReadCloser
	left, limit int64 // -1: no limit
	end         func(error)
	whole       atomic.Bool // it was read to its end
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.limit < 0 {
		n, err := b.ReadCloser.Read(p)
		b.note(err)
		return n, err
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n = int(b.left)
		b.left = 0
		err = tooLarge(b.limit)
		b.end(err)
		return n, err
	}
	b.left -= int64(n)
	b.note(err)
	return n, err
}

func (b *limitedBody) note(err error) {
	if err == io.EOF {
		b.whole.Store(true)
	}
}

// release is called when the request is answered: the server reads what is left of its
// body, or gives the connection up.
func (b *limitedBody) release(w http.ResponseWriter, r *http.Request) {
	if !b.whole.Load() {
		httpd.BodyTime(w, r, restTime)
	}
}

func tooLarge(limit int64) error {
	return problem.New(problem.TooLarge, fmt.Sprintf("the body is longer than %d bytes", limit))
}
