package edge_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestAHandshakeWithoutUpgradeSaysSo on each path: a proxy has taken the field.
func TestAHandshakeWithoutUpgradeSaysSo(t *testing.T) {
	t.Parallel()
	const key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	for _, p := range plainPaths {
		t.Run(p.name, func(t *testing.T) {
			s := newStackOn(t, p, nil)
			for name, fields := range map[string]string{
				"both are gone":      "",
				"Connection is gone": "Upgrade: websocket\r\n",
				"Upgrade is gone":    "Connection: Upgrade\r\n",
				"it may be no page":  "Accept: text/event-stream\r\n",
			} {
				_, in := s.raw("GET /_weft/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + s.token("ann", nil) + "\r\n" + key + fields + "\r\n")
				resp, err := http.ReadResponse(in, nil)
				s.must(err)
				body, err := io.ReadAll(resp.Body)
				s.must(err)
				if resp.StatusCode != http.StatusUpgradeRequired || resp.Header.Get("Upgrade") != "websocket" ||
					!strings.Contains(resp.Header.Get("Connection"), "Upgrade") || !strings.Contains(string(body), "a proxy on the way drops the Upgrade header") {
					t.Errorf("%s: %d %v %s", name, resp.StatusCode, resp.Header, body)
				}
			}
		})
	}
}

func TestAHandshakeThatBecameARequestOfHTTP2SaysSo(t *testing.T) {
	t.Parallel()
	s := newStackOn(t, onTLS, nil)
	resp, body := s.do("GET", pathEvents, s.token("ann", nil), "", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusUpgradeRequired || !strings.Contains(body, "drops the Upgrade header") {
		t.Errorf("%s: %d %s", resp.Proto, resp.StatusCode, body)
	}
}
