package edge_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"weft/config/testkit/slow"
	"weft/edge"
	"weft/edge/access"
	"weft/edge/transport"
	"weft/jetstream"
)

// A stranger is a connection that was brought into a state by somebody without a
// token.
type stranger struct {
	state      string
	secure, h2 bool // TLS, and then HTTP/2
	begin      func(c net.Conn) error
}

func says(text string) func(net.Conn) error {
	return func(c net.Conn) error {
		_, err := io.WriteString(c, text)
		return err
	}
}

// frames2 sends frames of HTTP/2 behind the preface, which may allow no answer.
func frames2(send func(f *http2.Framer) error, settings ...http2.Setting) func(net.Conn) error {
	return func(c net.Conn) error {
		f := http2.NewFramer(c, nil)
		_, err := io.WriteString(c, http2.ClientPreface)
		return errors.Join(err, f.WriteSettings(settings...), send(f))
	}
}

// ask2 is the head of a request, whole or not.
func ask2(stream uint32, path string, whole, last bool) func(f *http2.Framer) error {
	return func(f *http2.Framer) error {
		var block bytes.Buffer
		fields := hpack.NewEncoder(&block)
		for _, h := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", path}} {
			if err := fields.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
				return err
			}
		}
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: whole, EndStream: last})
	}
}

func nothing2(*http2.Framer) error { return nil }

const (
	refusedPoll = "GET /_weft/v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer bad\r\n\r\n"
	refusedPost = "POST /_weft/v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer bad\r\nContent-Length: 1\r\n\r\nx"
)

// strangers are all the states in which somebody may leave a connection.
var strangers = []stranger{
	{state: "silent", begin: says("")},
	{state: "half a request for events", begin: says("GET /_weft/v1/events HTTP/1.1\r\nHost: a\r\n")},
	{state: "half another request", begin: says("POST /_weft/v1/events HTTP/1.1\r\nHost: a\r\n")},
	{state: "after a refused poll", begin: says(refusedPoll)},
	{state: "after refused polls and half of one", begin: says(refusedPoll + refusedPoll + refusedPoll[:20])},
	{state: "after a refused publish", begin: says(refusedPost)},
	{state: "after both", begin: says(refusedPoll + refusedPost + refusedPoll)},
	{state: "half a body", begin: says(strings.Replace(refusedPost, "Length: 1\r", "Length: 99\r", 1))},
	{state: "half the preface of HTTP/2", begin: says(http2.ClientPreface[:18])},
	{state: "HTTP/2 without a request", begin: frames2(nothing2)},
	{state: "HTTP/2 with half a head", begin: frames2(ask2(1, pathEvents, false, false))},
	{state: "HTTP/2 with half a body", begin: frames2(ask2(1, pathEvents, true, false))},
	{state: "HTTP/2 after a refused request", begin: frames2(ask2(1, pathEvents, true, true))},
	{state: "HTTP/2 that lets no answer through", begin: frames2(ask2(1, pathEvents, true, true), http2.Setting{ID: http2.SettingInitialWindowSize})},
	{state: "silent TLS", begin: says(""), secure: true},
	{state: "half a request over TLS", begin: says(refusedPoll[:20]), secure: true},
	{state: "after a refused poll over TLS", begin: says(refusedPoll), secure: true},
	{state: "HTTP/2 over TLS without a request", begin: frames2(nothing2), secure: true, h2: true},
	{state: "HTTP/2 over TLS after a refused request", begin: frames2(ask2(1, pathEvents, true, true)), secure: true, h2: true},
}

// stillThere is how long a stranger may take to be gone, on a machine that has
// other things to do.
const stillThere = access.StrangerTime + 15*time.Second

// sideBySide runs a test on a node for each of the paths at the same time: what it
// waits for takes long.
func sideBySide(t *testing.T, list []path, change func(c *edge.Config, js *jetstream.Config), run func(t *testing.T, s *stack)) {
	var running sync.WaitGroup
	defer running.Wait()
	for _, p := range list {
		s := newStackOn(t, p, change)
		running.Go(func() { run(t, s) })
	}
}

// TestStrangersAreGoneSoon, whatever they did or did not say, over each path; also
// where nothing is limited.
func TestStrangersAreGoneSoon(t *testing.T) {
	slow.Test(t, "time limits of connections")
	t.Parallel()
	const each = 20
	sideBySide(t, paths, nil, func(t *testing.T, s *stack) {
		var open sync.WaitGroup
		defer open.Wait()
		for _, st := range strangers {
			if st.secure && s.trust == nil {
				continue
			}
			for range each {
				open.Go(func() {
					conn, err := s.dialStranger(st)
					if err != nil {
						t.Errorf("%s: %v", st.state, err)
						return
					}
					defer func() { _ = conn.Close() }()
					if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%s: the connection is still there", st.state)
					}
				})
			}
		}
		if s.trust != nil {
			return
		}
		for name, request := range map[string]string{"poll": refusedPoll, "publish": refusedPost, "preflight": preflight} {
			open.Go(func() {
				conn, err := s.dialStranger(stranger{begin: says("")})
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				if err := asksOn(conn, request); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s, again and again: the connection is still there", name)
				}
			})
		}
	})
}

const preflight = "OPTIONS /_weft/v1/events HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\n" +
	"Access-Control-Request-Method: POST\r\nContent-Length: 0\r\n\r\n"

// asksOn sends a request again and again until the connection ends.
func asksOn(conn net.Conn, request string) error {
	in := bufio.NewReader(conn)
	for pace := time.NewTicker(100 * time.Millisecond); ; <-pace.C {
		if _, err := io.WriteString(conn, request); err != nil {
			return err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Close {
			return err
		}
	}
}

func (s *stack) dialStranger(st stranger) (net.Conn, error) {
	conn, err := net.Dial("tcp", s.edge.PublicAddr().String())
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(stillThere))
	if st.secure {
		trust := s.trust.Clone()
		trust.ServerName, trust.NextProtos = "127.0.0.1", []string{"http/1.1"}
		if st.h2 {
			trust.NextProtos = []string{"h2"}
		}
		conn = tls.Client(conn, trust)
	}
	return conn, st.begin(conn)
}

// TestWhoWasLetInMayRest between two requests: a client that polls, or a back end
// that publishes.
func TestWhoWasLetInMayRest(t *testing.T) {
	slow.Test(t, "time limits of connections")
	t.Parallel()
	sideBySide(t, plainPaths, nil, func(t *testing.T, s *stack) {
		fields := " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + s.token("ann", nil) + "\r\n"
		var resting sync.WaitGroup
		defer resting.Wait()
		for _, request := range []string{
			"GET /_weft/v1/events" + fields + "\r\n",
			"POST /_weft/v1/events?subject=topic.hotel.1" + fields + "Content-Length: 1\r\n\r\n1",
		} {
			resting.Go(func() {
				conn, err := s.dialStranger(stranger{begin: says(request)})
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				if err := rests(conn); err != nil {
					t.Errorf("%.20q: %v", request, err)
				}
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				if _, err := io.WriteString(conn, request); err != nil {
					t.Errorf("%.20q: %v", request, err)
				}
				if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode >= 300 {
					t.Errorf("%.20q, again: %v %v", request, resp, err)
				}
			})
		}
	})
}

// rests is nil when a connection is still open, after an answer, for longer than a
// stranger's may be.
func rests(conn net.Conn) error {
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(access.SilentTime + 2*time.Second))
	if _, err := in.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("it has ended: %w", err)
	}
	return nil
}

// TestStrangersCountByAddress on each path: of hundreds only a few are there at a
// time, and who has sessions can go on to ask for something.
func TestStrangersCountByAddress(t *testing.T) {
	slow.Test(t, "time limits of connections")
	t.Parallel()
	for _, p := range slow.First(paths) {
		t.Run(p.name, func(t *testing.T) {
			s := newStackOn(t, p, func(c *edge.Config, _ *jetstream.Config) { c.Public.Limits = access.Limits{PerAddress: 5} })
			for i := range 5 {
				s.connect(transport.SSE, visitor{token: s.token(fmt.Sprint("u", i), nil)}).opened()
			}
			if resp, body := s.do("POST", pathEvents+"?subject=topic.hotel.1", s.token("ann", nil), "1"); resp.StatusCode != 202 {
				t.Errorf("publish with all sessions in use: %d %s", resp.StatusCode, body)
			}
			if last := s.connect(transport.SSE, visitor{token: s.token("ann", nil)}).ended(); !strings.Contains(last.data, `"limit"`) {
				t.Errorf("one session too many heard %+v", last)
			}
			const all, room = 300, 16
			for range all {
				s.raw("")
			}
			refused := func() float64 { return s.metric("weft_admit_refusals_total", "limit", "per_address") }
			s.eventually("most are refused", func() bool { return refused() >= all-3*room })
			s.eventually("and there is room again", func() bool {
				conn, err := s.dialStranger(stranger{begin: says("")})
				s.must(err)
				defer func() { _ = conn.Close() }()
				if s.trust != nil {
					conn = tls.Client(conn, func() *tls.Config { c := s.trust.Clone(); c.ServerName = "127.0.0.1"; return c }())
				}
				_, _ = io.WriteString(conn, refusedPost)
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				return err == nil && resp.StatusCode == http.StatusUnauthorized
			})
		})
	}
}

// A trusted proxy's address stands for many.
func TestConnectionsOfATrustedProxyAreNotCounted(t *testing.T) {
	slow.Test(t, "time limits of connections")
	t.Parallel()
	change := func(c *edge.Config, _ *jetstream.Config) {
		c.Public.Limits, c.Public.TrustedProxies = access.Limits{PerAddress: 1}, []string{"127.0.0.0/8"}
	}
	sideBySide(t, plainPaths, change, func(t *testing.T, s *stack) {
		var resting sync.WaitGroup
		for range 50 {
			resting.Go(func() {
				conn, err := s.dialStranger(stranger{begin: says(refusedPoll)})
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				if err := rests(conn); err != nil {
					t.Error(err)
				}
			})
		}
		resting.Wait()
		if n := s.metric("weft_admit_refusals_total"); n != 0 {
			t.Errorf("%v are refused", n)
		}
	})
}

// Whatever becomes of a connection, its address has its room back when it is closed.
func TestTheRoomOfAnAddressComesBack(t *testing.T) {
	t.Parallel()
	for _, p := range slow.First(paths) {
		t.Run(p.name, func(t *testing.T) {
			s := newStackOn(t, p, func(c *edge.Config, _ *jetstream.Config) { c.Public.Limits = access.Limits{PerAddress: 3} })
			token := s.token("ann", nil)
			for range 20 {
				for _, kind := range p.kinds {
					c := s.connect(kind, visitor{token: token})
					c.opened()
					c.close()
				}
				s.do("POST", pathEvents+"?subject=topic.hotel.1", token, "1")
				s.do("GET", pathEvents, "bad", "")
				s.client.CloseIdleConnections()
				s.eventually("nobody is connected", func() bool { return s.edge.Connections() == 0 })
			}
			if n := s.metric("weft_admit_refusals_total"); n != 0 {
				t.Errorf("%v are refused", n)
			}
		})
	}
}
