package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// keptBody bounds what a Backend keeps of a request's body.
const keptBody = 1 << 20

// A Received is a request as a Backend has received it.
type Received struct {
	Method string `json:"method"`
	// Target is what stands in the request line: path and query as they were sent.
	Target string `json:"target"`
	Proto  string `json:"proto"`
	Host   string `json:"host"`
	// Header has canonical names, so weft_user is Weft_user.
	Header http.Header `json:"header"`
	// Body is what the handler has read, up to 1 MiB of it.
	Body []byte `json:"body"`
	// Gone is closed when the request is over or the client of it has left.
	Gone <-chan struct{} `json:"-"`
}

// A Backend is an HTTP server that routes lead to. It speaks HTTP/1 and h2c, and
// records what it receives.
type Backend struct {
	t        testing.TB
	server   *httptest.Server
	mu       sync.Mutex
	received []*recording
	changed  chan struct{} // closed and replaced with each request
}

type recording struct {
	Received
	mu   sync.Mutex
	body bytes.Buffer
}

// Write implements io.Writer of the body that is read.
func (r *recording) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if room := keptBody - r.body.Len(); room > 0 {
		r.body.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// StartBackend starts one until the test ends. A nil handler reads the body and answers
// 200 with the Received as JSON.
func StartBackend(t testing.TB, handler http.HandlerFunc) *Backend {
	t.Helper()
	if handler == nil {
		handler = mirror
	}
	b := &Backend{t: t, changed: make(chan struct{})}
	b.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(w, b.record(r))
	}))
	b.server.Config.Protocols = new(http.Protocols)
	b.server.Config.Protocols.SetHTTP1(true)
	b.server.Config.Protocols.SetUnencryptedHTTP2(true)
	b.server.Start()
	t.Cleanup(func() {
		b.server.CloseClientConnections()
		b.server.Close()
	})
	return b
}

type recordingKey struct{}

// record remembers a request and returns it, to be served.
func (b *Backend) record(r *http.Request) *http.Request {
	rec := &recording{Received: Received{Method: r.Method, Target: r.RequestURI, Proto: r.Proto, Host: r.Host,
		Header: r.Header.Clone(), Gone: r.Context().Done()}}
	r = r.WithContext(context.WithValue(r.Context(), recordingKey{}, rec))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r.Body, rec), r.Body}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received = append(b.received, rec)
	close(b.changed)
	b.changed = make(chan struct{})
	return r
}

func mirror(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	rec := r.Context().Value(recordingKey{}).(*recording)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(rec.now())
}

func (r *recording) now() Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.Received
	out.Body = bytes.Clone(r.body.Bytes())
	return out
}

// Address is host:port.
func (b *Backend) Address() string { return b.server.Listener.Addr().String() }

// URL is a target of scheme http without a path.
func (b *Backend) URL() string { return "http://" + b.Address() }

// H2C is a target of scheme h2c without a path.
func (b *Backend) H2C() string { return "h2c://" + b.Address() }

// Received are all requests since the start or the last Forget, oldest first, in the
// state in which they are.
func (b *Backend) Received() []Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Received, len(b.received))
	for i, r := range b.received {
		out[i] = r.now()
	}
	return out
}

// Forget forgets what was received.
func (b *Backend) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received = nil
}

// Await waits until n requests have been received since the start or the last Forget,
// and returns the last of them.
func (b *Backend) Await(n int) Received {
	b.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		b.mu.Lock()
		count, changed := len(b.received), b.changed
		b.mu.Unlock()
		if count >= n {
			return b.Received()[n-1]
		}
		select {
		case <-changed:
		case <-limit:
			b.t.Fatalf("the back end has %d requests after 20 s, not %d", count, n)
		}
	}
}

// CloseConnections cuts all connections to the back end.
func (b *Backend) CloseConnections() { b.server.CloseClientConnections() }

// RefusingAddress is a loopback host:port at which nobody listens, nor anybody will who
// takes a port of the system's choice.
func RefusingAddress(t testing.TB) string {
	t.Helper()
	return FreeAddress(t)
}
