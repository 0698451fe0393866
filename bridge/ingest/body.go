package ingest

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"

	"weft/edge/problem"
)

// A budget is how many more bytes of request bodies may be held.
type budget struct{ free atomic.Int64 }

func (b *budget) take(n int64) bool {
	if b.free.Add(-n) >= 0 {
		return true
	}
	b.free.Add(n)
	return false
}

var errBudget = errors.New("too many bytes of request bodies are held")

// A body is what has come of a request's body. It is charged to the budget as it
// comes, until release.
type body struct {
	budget *budget
	source io.Reader
	held   int64
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	if !b.budget.take(int64(n)) {
		return 0, errBudget
	}
	b.held += int64(n)
	return n, err
}

// release gives back what the body was charged. Nothing of it may be in use.
func (b *body) release() {
	b.budget.free.Add(b.held)
	b.held = 0
}

// read reads the body of r, of at most limit bytes.
func (b *body) read(r *http.Request, limit int64) ([]byte, error) {
	tooLarge := problem.New(problem.TooLarge, "the body is over "+strconv.FormatInt(limit, 10)+" bytes")
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	if r.Body == nil {
		return []byte{}, nil
	}
	b.source = io.LimitReader(r.Body, limit+1)
	data, err := io.ReadAll(b)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over), err == nil && int64(len(data)) > limit:
		return nil, tooLarge
	case errors.Is(err, errBudget):
		return nil, problem.New(problem.Limit, "the node holds as many requests as it can; come back later").Retry(comeBack)
	case err != nil:
		return nil, problem.New(problem.BadRequest, "the body could not be read to its end")
	}
	return data, nil
}
