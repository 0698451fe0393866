package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"weft/edge/problem"
)

// A requestBody is the client's on its way to a server.
type requestBody struct {
	body    io.Reader
	trip    *trip
	reading atomic.Bool // it waits for the client
	failed  atomic.Pointer[error]
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	b.reading.Store(true)
	n, err := b.body.Read(p)
	b.reading.Store(false)
	if n > 0 {
		b.trip.clock.touch()
	}
	switch err {
	case nil:
	case io.EOF:
		b.trip.requestTrailer()
	default:
		b.failed.Store(&err)
	}
	return n, err
}

// Close does nothing: the body is whole for the next target if it was not read, and is
// the server's to close.
func (b *requestBody) Close() error { return nil }

// failure is what was wrong with the body, nil if nothing was: a problem, or one of a
// context when the client is gone.
func (b *requestBody) failure() error {
	read := b.failed.Load()
	if read == nil {
		return nil
	}
	if told, ok := errors.AsType[*problem.Problem](*read); ok {
		return told
	}
	if connectionEnded(*read) {
		return fmt.Errorf("read the client's body: %w", context.Canceled)
	}
	return problem.New(problem.BadRequest, "the body cannot be read")
}

// requestTrailer hands the client's trailers on, which are there once its body was read.
func (t *trip) requestTrailer() {
	for name := range t.request.Trailer {
		t.request.Trailer[name] = t.call.Request.Trailer[name]
	}
}

// A responseBody is that of an answer.
type responseBody struct {
	io.ReadCloser
	trip *trip
	res  *http.Response
}

// Read implements io.Reader.
func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.trip.clock.touch()
	}
	if err == io.EOF && b.res.Trailer != nil {
		clean(b.res.Trailer, b.trip.call.Route.ResponseHeaders.Remove)
	}
	return n, err
}

// Close implements io.Closer.
func (b *responseBody) Close() error {
	err := b.ReadCloser.Close()
	b.trip.clock.stop()
	return err
}

// An upgraded is the connection to a server that has become a WebSocket.
type upgraded struct {
	io.ReadWriteCloser
	trip *trip
}

// Read implements io.Reader.
func (u *upgraded) Read(p []byte) (int, error) {
	n, err := u.ReadWriteCloser.Read(p)
	u.trip.clock.touch()
	return n, err
}

// Write implements io.Writer.
func (u *upgraded) Write(p []byte) (int, error) {
	n, err := u.ReadWriteCloser.Write(p)
	u.trip.clock.touch()
	return n, err
}

// CloseWrite tells the server that the client has said all.
func (u *upgraded) CloseWrite() error {
	if c, ok := u.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return http.ErrNotSupported
}

// Close implements io.Closer.
func (u *upgraded) Close() error {
	err := u.ReadWriteCloser.Close()
	u.trip.clock.stop()
	return err
}
