package edge_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A logBook keeps the lines of a log.
type logBook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.Write(p)
}

func (b *logBook) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.lines.String(), text)
}

// TestStrangersCannotFillTheLog whatever they do wrong how often: it is counted, and
// a line a minute is written for each cause.
func TestStrangersCannotFillTheLog(t *testing.T) {
	t.Parallel()
	const often = 40
	begun := time.Now()
	book := &logBook{}
	s := prepareStack(t, "n1", nil)
	s.cfg.Admin.Token = "the token of the operators"
	s.log = slog.New(slog.NewTextHandler(book, nil))
	onTLS.set(t, s)
	s.must(s.start(t.Context()))
	for range often {
		s.do("GET", pathEvents, "bad", "")
		s.do("POST", pathEvents+"?subject=topic.hotel.1", "bad", "1")
		s.do("GET", pathEvents+"?nonsense=1", s.token("ann", nil), "")
		s.do("GET", pathEvents, "", "", "Host", "evil.example.com")
		s.do("GET", "admin:/_weft/v1/users", "bad", "")
		s.do("GET", "admin:/_weft/v1/users", "", "", "Host", "evil.example.com")
		conn, err := net.Dial("tcp", s.edge.PublicAddr().String())
		s.must(err)
		_, err = io.WriteString(conn, "this is no TLS at all\n")
		s.must(err)
		s.must(conn.Close())
	}
	for _, c := range []struct {
		listener, cause string
		count           float64
	}{
		{"public", "token_invalid", 2 * often}, {"public", "bad_request", often}, {"public", "host", often},
		{"admin", "token_invalid", often}, {"admin", "host", often}, {"public", "tls_handshake", often},
	} {
		s.eventually(fmt.Sprint(c, " is counted"), func() bool {
			return s.metric("weft_edge_blame_total", "listener", c.listener, "cause", c.cause) == c.count
		})
		if n := book.count("listener=" + c.listener + " cause=" + c.cause); n < 1 || n > 1+int(time.Since(begun)/time.Minute) {
			t.Errorf("%s, %s: %d lines within %v", c.listener, c.cause, n, time.Since(begun))
		}
	}
	if n := book.count("nonsense"); book.count("eyJ") != 0 || n < 1 || n > 1+int(time.Since(begun)/time.Minute) {
		t.Errorf("within %v the log has\n%s", time.Since(begun), book.lines.String())
	}
}
