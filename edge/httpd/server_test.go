package httpd

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestABodyThatNeverComesDoesNotHoldARefusal(t *testing.T) {
	server := httptest.NewServer(timed(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	}), 50*time.Millisecond))
	defer server.Close()
	for _, length := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: weft\r\n%s\r\n\r\n", length); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", length, err)
		}
		if resp.StatusCode != http.StatusForbidden || !resp.Close {
			t.Errorf("%s: %s, connection closed: %v", length, resp.Status, resp.Close)
		}
	}
}
