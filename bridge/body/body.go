// Package body reads bodies of requests that are held until what they say is stored. Each
// is charged to a budget as it comes, so that many at once do not use up the memory.
package body

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"

	"weft/edge/problem"
)

// firstRead is how much of a declared length there is room for before it comes, in bytes.
const firstRead = 64 << 10

// A Budget is how many more bytes may be held. It is safe for concurrent use; its zero
// value allows none.
type Budget struct {
	free atomic.Int64
	full error
}

// Set allows so many bytes; full, a problem, is what the body is refused with that is beyond.
// It must be called before the budget is used.
func (b *Budget) Set(bytes int64, full error) {
	b.free.Store(bytes)
	b.full = full
}

// Free is how many more bytes may be held.
func (b *Budget) Free() int64 { return b.free.Load() }

func (b *Budget) take(n int64) error {
	if b.free.Add(-n) >= 0 {
		return nil
	}
	b.free.Add(n)
	return b.full
}

// A Body is what has come of a request's body. It is charged to the budget as it comes,
// until Release.
type Body struct {
	budget *Budget
	source io.Reader
	held   int64
}

// New makes a Body of which nothing has come.
func (b *Budget) New() *Body { return &Body{budget: b} }

// Charge takes more from the budget than what comes.
func (b *Body) Charge(n int64) error {
	if err := b.budget.take(n); err != nil {
		return err
	}
	b.held += n
	return nil
}

// Release gives back what the body was charged. Nothing of it may be in use.
func (b *Body) Release() {
	b.budget.free.Add(b.held)
	b.held = 0
}

// Read reads the body of r, of at most limit bytes. Its errors are problems.
func (b *Body) Read(r *http.Request, limit int64) ([]byte, error) {
	tooLarge := problem.New(problem.TooLarge, "the body is over "+strconv.FormatInt(limit, 10)+" bytes")
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	if r.Body == nil || r.Body == http.NoBody {
		return []byte{}, nil
	}
	b.source = io.LimitReader(r.Body, limit+1)
	var data bytes.Buffer
	data.Grow(int(min(max(r.ContentLength, 0), firstRead)) + bytes.MinRead)
	_, err := data.ReadFrom(charged{b})
	var over *http.MaxBytesError
	p, told := errors.AsType[*problem.Problem](err)
	switch {
	case told:
		return nil, p
	case errors.As(err, &over), err == nil && int64(data.Len()) > limit:
		return nil, tooLarge
	case err != nil:
		return nil, problem.New(problem.BadRequest, "the body could not be read to its end")
	}
	return data.Bytes(), nil
}

// charged reads what comes of a body.
type charged struct{ *Body }

// Read implements io.Reader.
func (b charged) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	if err := b.Charge(int64(n)); err != nil {
		return 0, err
	}
	return n, err
}
