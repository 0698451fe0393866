package fault

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/follow"
)

// browserRetry is after how long a visitor comes back that was told nothing else.
const browserRetry = 2 * time.Second

// A visitor is a client of which there can be thousands: it follows a user over
// Server-Sent Events (WHATWG HTML, section 9.2) as a browser does, on a bare TCP
// connection, and keeps the numbers of the events that came.
type visitor struct {
	user, token string

	mu      sync.Mutex
	conn    net.Conn
	id      string
	seen    []int // numbers, and resets
	open    bool
	opened  int       // how many connections have been open
	since   time.Time // of the last change of open
	lastErr error
	over    bool
	changed chan struct{} // closed and replaced when any of the above changes
}

func newVisitor(user, token string) *visitor {
	return &visitor{user: user, token: token, changed: make(chan struct{})}
}

// run visits until ctx ends.
func (v *visitor) run(ctx context.Context, address string) {
	defer context.AfterFunc(ctx, func() { v.update(func() { v.over = true; v.hangUp() }) })()
	for ctx.Err() == nil {
		retry, err := v.visit(ctx, address)
		v.update(func() { v.set(false); v.lastErr = err })
		if waitfor.Time(ctx, retry+rand.N(retry/4)) != nil { // a browser adds a little of its own
			return
		}
	}
}

// update changes what others look at.
func (v *visitor) update(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
	close(v.changed)
	v.changed = make(chan struct{})
}

// set is called with the lock held.
func (v *visitor) set(open bool) {
	if v.open != open {
		v.open, v.since = open, time.Now()
	}
}

// hangUp closes the connection. It is called with the lock held.
func (v *visitor) hangUp() {
	if v.conn != nil {
		v.conn.Close()
	}
}

// visit holds one connection until it ends, and returns when to come back.
func (v *visitor) visit(ctx context.Context, address string) (retry time.Duration, err error) {
	retry = browserRetry
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return retry, err
	}
	defer conn.Close()
	over := false
	v.update(func() { v.conn, over = conn, v.over })
	if over {
		return retry, ctx.Err()
	}
	// HTTP 1.0: what comes is the stream itself and ends with the connection.
	request := "GET /_weft/v1/events HTTP/1.0\r\nHost: weft\r\nAccept: text/event-stream\r\nAuthorization: Bearer " + v.token + "\r\n"
	if v.id != "" {
		request += "Last-Event-ID: " + v.id + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return retry, err
	}
	lines := bufio.NewReaderSize(conn, 1<<10)
	status, err := lines.ReadString('\n')
	if err != nil {
		return retry, err
	}
	if !strings.Contains(status, " 200 ") {
		return retry, fmt.Errorf("answer %q", strings.TrimSpace(status))
	}
	for line := "head"; line != ""; {
		if line, err = lines.ReadString('\n'); err != nil {
			return retry, err
		}
		line = strings.TrimSpace(line)
	}
	return v.listen(lines, retry)
}

// listen takes what comes until the connection ends.
func (v *visitor) listen(lines *bufio.Reader, retry time.Duration) (time.Duration, error) {
	var id, kind, data string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return retry, err
		}
		line = strings.TrimRight(line, "\r\n")
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			data = value
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				retry = time.Duration(ms) * time.Millisecond
			}
		case "":
			if kind == "weft.close" {
				return retry, errors.New("told " + data)
			}
			if id != "" || kind != "" {
				v.take(id, kind, data)
			}
			id, kind, data = "", "", ""
		}
	}
}

func (v *visitor) take(id, kind, data string) {
	v.update(func() {
		if id != "" {
			v.id = id
		}
		switch {
		case kind == "weft.open":
			v.set(true)
			v.opened++
		case kind == "weft.reset":
			v.seen = append(v.seen, follow.Reset)
		case strings.HasPrefix(kind, "weft."):
		default:
			var e event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				v.lastErr = fmt.Errorf("decode event %q: %w", data, err)
				return
			}
			v.seen = append(v.seen, e.N)
		}
	})
}

// await waits until ok, which is called with the lock held.
func (v *visitor) await(ctx context.Context, ok func() bool) error {
	for {
		v.mu.Lock()
		done, changed, err := ok(), v.changed, v.lastErr
		v.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w; the last connection ended with: %v", ctx.Err(), err)
		}
	}
}
