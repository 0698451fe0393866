package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// answers are what hostile back ends say, by the last part of the path; "!" at the end
// closes the connection.
var answers = map[string]string{
	"weft": "HTTP/1.1 103 Early Hints\r\nWeft-User: mallory\r\nLink: </a>\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nWeft-User: mallory\r\nweft_session: mallory\r\nWEFT-ROUTE: mallory\r\nX-Request-Id: mallory\r\nX-Good: yes\r\n" +
		"Trailer: Weft-Trailer, X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\nWeft-Trailer: mallory\r\nweft_more: mallory\r\nX-Sum: 1\r\n\r\n",
	"hop": "HTTP/1.1 200 OK\r\nConnection: X-Secret, Weft-User\r\nX-Secret: mallory\r\nKeep-Alive: mallory\r\nProxy-Authenticate: mallory\r\n" +
		"Proxy-Connection: mallory\r\nUpgrade: mallory\r\nTE: mallory\r\nX-Good: yes\r\nContent-Length: 4\r\n\r\ngood",
	"long":        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nmallory",
	"head":        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood",
	"nothing":     "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nmallory",
	"unmodified":  "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nmallory",
	"same":        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\ngood",
	"both":        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
	"short":       "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ngood!",
	"cut chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngo!",
	"cut chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n!",
	"bad chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\nzz\r\n\r\n!",
	"lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ngood!",
	"signed":      "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\ngood!",
	"coding":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n!",
	"silence":     "!",
	"no status":   "HTTP/1.1 \r\n\r\n!",
	"status 99":   "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n!",
	"status 1000": "HTTP/1.1 1000 High\r\nContent-Length: 0\r\n\r\n!",
	"status -1":   "HTTP/1.1 -01 Low\r\nContent-Length: 0\r\n\r\n!",
	"no HTTP":     "SSH-2.0-OpenSSH_9.9\r\n!",
	"frames":      "\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x04\x00\x01\x00\x00\x00\x05\x00\xff\xff\xff!",
	"half a head": "HTTP/1.1 200 OK\r\nContent-Le!",
	"no colon":    "HTTP/1.1 200 OK\r\nmallory\r\nContent-Length: 0\r\n\r\n!",
	"space":       "HTTP/1.1 200 OK\r\nX-A : mallory\r\nContent-Length: 0\r\n\r\n!",
	"switched":    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nmallory!",
	"h2c":         "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nmallory!",
	"hints":       strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 10_000) + "!",
	"many":        "HTTP/1.1 200 OK\r\n" + lines(200_000) + "Content-Length: 0\r\n\r\n!",
	"wide":        "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("y", 4<<20) + "\r\nContent-Length: 0\r\n\r\n!",
}

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "X-%d: y\r\n", i)
	}
	return b.String()
}

func TestABackEndDeceivesNoClient(t *testing.T) {
	h := newHostile(t, answerHostile)
	stage.PutRoute(t, h.node, "short", stage.Route{"pattern": "/short/{rest...}", "target": h.back.URL(), "auth": stage.Route{"mode": "none"}, "timeout": "1s"})
	in := func(name string, f func(t *testing.T, h *hostile)) {
		t.Run(name, func(t *testing.T) { f(t, &hostile{t, h.node, h.back}) })
	}
	in("headers that are Weft's, or the connection's", func(t *testing.T, h *hostile) {
		for _, what := range []string{"weft", "hop"} {
			said := h.say(asking(what), false)
			if low := strings.ToLower(said); strings.Contains(low, "mallory") || strings.Contains(low, "weft-") || strings.Contains(low, "weft_") ||
				!strings.Contains(said, "X-Good: yes") || !strings.Contains(said, "good") {
				t.Errorf("%s: the client is told %q", what, said)
			}
			if what == "weft" && (!strings.Contains(said, "HTTP/1.1 103 ") || !strings.Contains(said, "X-Sum: 1")) {
				t.Errorf("hints and trailers of the back end's own are lost: %q", said)
			}
		}
	})
	in("bodies that are longer than they say, or are where none is", func(t *testing.T, h *hostile) {
		for _, what := range []string{"long", "nothing", "unmodified", "same", "both"} {
			said := h.say(asking(what), false)
			if strings.Contains(said, "mallory") || strings.Count(said, "HTTP/1.1 ") != 1 {
				t.Errorf("%s: the client is told %q", what, said)
			}
			if body := what != "nothing" && what != "unmodified"; body != strings.Contains(said, "good") {
				t.Errorf("%s: the client is told %q", what, said)
			}
			h.goodAnswer(what)
		}
		said := h.say("HEAD /api/head HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n", false)
		if strings.Contains(said, "good") || !strings.Contains(said, "Content-Length: 4") {
			t.Errorf("HEAD: the client is told %q", said)
		}
		h.goodAnswer("a body after HEAD")
	})
	in("bodies that are shorter than they say", func(t *testing.T, h *hostile) {
		for _, what := range []string{"short", "cut chunk", "cut chunks", "bad chunk"} {
			said := h.say(asking(what), false)
			answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(said)), nil)
			if err == nil {
				_, err = io.ReadAll(answer.Body)
			}
			if err == nil {
				t.Errorf("%s: %q looks whole", what, said)
			}
			h.goodAnswer(what)
		}
	})
	in("heads that are none", func(t *testing.T, h *hostile) {
		for _, what := range []string{
			"lengths", "signed", "coding", "silence", "no status", "status 99", "status 1000", "status -1", "no HTTP", "frames", "half a head", "no colon", "switched",
			"hints", "many", "wide",
		} {
			said := h.say(asking(what), false)
			if !strings.Contains(said, "HTTP/1.1 502 ") || !strings.Contains(said, `"code":"upstream_unavailable"`) || strings.Contains(said, "mallory") {
				t.Errorf("%s: the client is told %q", what, short(said))
			}
			h.goodAnswer(what)
		}
	})
	in("a protocol that was not asked for", func(t *testing.T, h *hostile) {
		answer := h.ask(strings.Replace(asking("h2c"), "Connection: close",
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", 1))
		if body, err := io.ReadAll(answer.Body); answer.StatusCode != 502 || err != nil || strings.Contains(string(body), "mallory") {
			t.Errorf("the client is told %d %q %v", answer.StatusCode, body, err)
		}
		h.goodAnswer("h2c")
	})
	in("1xx without end", func(t *testing.T, h *hostile) {
		said := h.say(strings.Replace(asking("endless"), "/api/", "/short/", 1), false)
		if n := strings.Count(said, "HTTP/1.1 103 "); n > 1000 || !strings.Contains(said, "HTTP/1.1 504 ") && !strings.Contains(said, "HTTP/1.1 502 ") {
			t.Errorf("after %d hints the client is told %q", n, said[max(0, len(said)-300):])
		}
		said = h.say(strings.Replace(asking("trickle"), "/api/", "/short/", 1), false)
		if !strings.Contains(said, "HTTP/1.1 504 ") || !strings.Contains(said, `"code":"upstream_timeout"`) {
			t.Errorf("who hints now and then gets more time than the route has: %q", said[max(0, len(said)-300):])
		}
		h.goodAnswer("1xx")
	})
}

func asking(what string) string {
	return "GET /api/" + strings.ReplaceAll(what, " ", "%20") + " HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n"
}

// goodAnswer checks that the next answer is the next request's own.
func (h *hostile) goodAnswer(after string) {
	h.t.Helper()
	answer := h.ask("GET /api/good HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n")
	body, err := io.ReadAll(answer.Body)
	if _, typed := answer.Header["Content-Type"]; answer.StatusCode != 200 || string(body) != "good" || err != nil || typed {
		h.t.Errorf("after %q a good request is answered %d %v %q %v", after, answer.StatusCode, answer.Header, body, err)
	}
}

func answerHostile(w net.Conn, request string) {
	line, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	if err != nil {
		return
	}
	what := line.URL.Path[strings.LastIndexByte(line.URL.Path, '/')+1:]
	text, ok := answers[what]
	switch {
	case slices.Contains([]string{"endless", "trickle"}, what):
		for {
			if _, err := io.WriteString(w, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"); err != nil {
				return
			}
			if what == "trickle" {
				time.Sleep(100 * time.Millisecond) // the pace is what is tried
			}
		}
	case !ok:
		text = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
	}
	said, closes := strings.CutSuffix(text, "!")
	_, _ = io.WriteString(w, said)
	if closes {
		w.Close()
	}
}
