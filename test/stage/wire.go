package stage

import (
	"bufio"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Wire is a back end without an HTTP library: it keeps the very bytes that reach it,
// and answers with whatever bytes a test likes.
type Wire struct {
	t        testing.TB
	listener net.Listener
	answer   func(w net.Conn, request string)

	mu       sync.Mutex
	requests []string
	conns    map[net.Conn]struct{}
	changed  chan struct{}
	serving  sync.WaitGroup
}

// StartWire starts one until the test ends. A nil answer is a good one; an answer is given
// each whole request and may close the connection. Answers may be asked for concurrently.
func StartWire(t testing.TB, answer func(w net.Conn, request string)) *Wire {
	t.Helper()
	if answer == nil {
		answer = func(w net.Conn, _ string) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{t: t, listener: l, answer: answer, conns: map[net.Conn]struct{}{}, changed: make(chan struct{})}
	w.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			w.conns[conn] = struct{}{}
			w.mu.Unlock()
			w.serving.Go(func() {
				w.serve(conn)
				w.mu.Lock()
				delete(w.conns, conn)
				w.mu.Unlock()
			})
		}
	})
	t.Cleanup(w.close)
	return w
}

func (w *Wire) close() {
	w.listener.Close()
	w.mu.Lock()
	for c := range w.conns {
		c.Close()
	}
	w.mu.Unlock()
	w.serving.Wait()
}

// URL is a target of scheme http without a path.
func (w *Wire) URL() string { return "http://" + w.listener.Addr().String() }

// Open is how many connections there are.
func (w *Wire) Open() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

// Forget forgets what was received.
func (w *Wire) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = nil
}

// Requests are the bytes of each whole request since the start or the last Forget, head
// and body.
func (w *Wire) Requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.requests...)
}

// Await waits until n requests have come since the start or the last Forget.
func (w *Wire) Await(n int) []string {
	w.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		w.mu.Lock()
		all, changed := append([]string(nil), w.requests...), w.changed
		w.mu.Unlock()
		if len(all) >= n {
			return all
		}
		select {
		case <-changed:
		case <-limit:
			w.t.Fatalf("the back end has %d requests after 20 s, not %d: %q", len(all), n, all)
		}
	}
}

// serve reads requests off a connection. Where one ends is told by its own framing, the
// Content-Length before the chunks: a request that has both shows as two.
func (w *Wire) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		var b strings.Builder
		whole := readWire(r, &b)
		if !whole {
			return
		}
		w.mu.Lock()
		w.requests = append(w.requests, b.String())
		close(w.changed)
		w.changed = make(chan struct{})
		w.mu.Unlock()
		w.answer(conn, b.String())
	}
}

// readWire copies one request, and reports whether it is whole.
func readWire(r *bufio.Reader, to *strings.Builder) bool {
	length, chunked := 0, false
	for {
		line, err := r.ReadString('\n')
		to.WriteString(line)
		if err != nil {
			return false
		}
		if strings.TrimRight(line, "\r\n") == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		switch value = textproto.TrimString(value); strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.Atoi(value); err != nil {
				return false
			}
		case "transfer-encoding":
			chunked = true
		}
	}
	if length > 0 || !chunked {
		_, err := io.CopyN(to, r, int64(length))
		return err == nil
	}
	for {
		line, err := r.ReadString('\n')
		to.WriteString(line)
		size, err2 := strconv.ParseInt(strings.TrimRight(line, "\r\n"), 16, 64)
		if err != nil || err2 != nil {
			return false
		}
		if size == 0 {
			break
		}
		if _, err := io.CopyN(to, r, size+2); err != nil {
			return false
		}
	}
	for { // trailers
		line, err := r.ReadString('\n')
		to.WriteString(line)
		if err != nil {
			return false
		}
		if strings.TrimRight(line, "\r\n") == "" {
			return true
		}
	}
}
