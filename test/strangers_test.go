package test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// Hundreds of connections of one address that have shown no token: few are there at
// a time, none for long, and those who have one are served meanwhile and afterwards.
func TestConnectionsWithoutATokenAreFewAndGoSoon(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.limits.per_address", 5))
	ann := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
	refused := "GET /_weft/v1/events HTTP/1.1\r\nHost: weft\r\nAuthorization: Bearer bad\r\n\r\n"
	var strangers sync.WaitGroup
	for _, first := range []string{"", refused[:30], refused, strings.Replace(refused, "GET", "PUT", 1), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"} {
		for range 160 {
			conn, err := net.Dial("tcp", node.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, first) // it may be closed already
			strangers.Go(func() {
				_ = conn.SetReadDeadline(time.Now().Add(40 * time.Second))
				if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%.20q: the connection is still there", first)
				}
			})
		}
	}
	if files, err := node.Process().Files(); err != nil || files > 100 {
		t.Errorf("%d descriptors are open, %v", files, err)
	}
	publish(t, node, "ann", "", []byte(`1`))
	awaitEvents(t, ann, 1)
	strangers.Wait()
	record(t, client.WebSocket, client.Target{URL: node.URL(), Token: stage.Token(t, "bob", nil)})
	for _, line := range node.Process().Output() {
		if strings.Contains(line, `"level":"ERROR"`) {
			t.Errorf("strangers make the node log an error: %s", line)
		}
	}
}

// A page whose name was made to point to a node on the machine of its visitor.
func TestAReboundPageReachesNoListenerOnLoopback(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("auth.mode", "none").With("auth.issuers", nil).With("public.hosts", nil))
	for _, origin := range []string{node.URL(), node.AdminURL()} {
		for _, method := range []string{"GET", "POST"} {
			req, err := http.NewRequest(method, origin+"/_weft/v1/events?user=ann", strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "evil.example:4000"
			if status, body, _ := exchange(t, req); status != http.StatusMisdirectedRequest || !strings.Contains(string(body), ".hosts adds one") {
				t.Errorf("%s %s for another host: %d %s", method, origin, status, body)
			}
		}
	}
	record(t, client.Poll, client.Target{URL: node.URL(), Query: map[string][]string{"user": {"ann"}}})
}

// What a request asks for is done, or refused with a hint.
func TestMisspeltParametersAreRefused(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	if status, body := admin(t, node, "DELETE", "/_weft/v1/users/ann/connections?revoked=true", ""); status != 400 || !strings.Contains(string(body), `\"revoked\"`) {
		t.Errorf("revoke: %d %s", status, body)
	}
	if status, body := admin(t, node, "POST", "/_weft/v1/events?usr=ann", "{}"); status != 400 || !strings.Contains(string(body), "did you mean user?") {
		t.Errorf("publish: %d %s", status, body)
	}
	req, err := http.NewRequest("GET", node.URL()+"/_weft/v1/events?subjects=topic.hotel.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+stage.Token(t, "ann", nil))
	if status, body, _ := exchange(t, req); status != 400 || !strings.Contains(string(body), "did you mean subject?") {
		t.Errorf("follow: %d %s", status, body)
	}
}
