package upstream_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"weft/edge/access"
	"weft/edge/problem"
	"weft/edge/proxy/upstream"
	"weft/edge/route"
	"weft/edge/route/pattern"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A gateway serves one route as package proxy does, but lets everybody in.
type gateway struct {
	*httptest.Server
	upstreams *upstream.Upstreams
	registry  *prometheus.Registry
	route     atomic.Pointer[route.Route]
	trusted   atomic.Bool
	user      string
	ended     chan error // what a call was ended with
	failed    chan error // what RoundTrip returned
}

// open makes a gateway with the document of a route.
func open(t *testing.T, document map[string]any, entries ...upstream.Config) *gateway {
	t.Helper()
	g := newGateway(t, document, entries...)
	g.Start()
	return g
}

func newGateway(t *testing.T, document map[string]any, entries ...upstream.Config) *gateway {
	t.Helper()
	g := &gateway{registry: prometheus.NewRegistry(), ended: make(chan error, 10), failed: make(chan error, 10)}
	var err error
	if g.upstreams, err = upstream.New(entries, slog.New(slog.DiscardHandler), g.registry); err != nil {
		t.Fatal(err)
	}
	g.put(t, document)
	proxy := &httputil.ReverseProxy{
		Transport: g.upstreams,
		Rewrite:   func(pr *httputil.ProxyRequest) { g.upstreams.Rewrite(pr.Out, route.CallOf(pr.In.Context())) },
		ModifyResponse: func(res *http.Response) error {
			g.upstreams.Response(res, route.CallOf(res.Request.Context()))
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			select {
			case g.failed <- err:
			default:
			}
			if told, ok := errors.AsType[*problem.Problem](context.Cause(r.Context())); ok {
				err = told
			}
			problem.Write(w, err)
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.serve(w, r, proxy)
	}))
	g.Config.ErrorLog = proxy.ErrorLog
	t.Cleanup(func() {
		g.CloseClientConnections()
		g.Close()
		_ = g.upstreams.Close()
	})
	return g
}

func (g *gateway) put(t *testing.T, document map[string]any) {
	t.Helper()
	if document["auth"] == nil {
		document["auth"] = map[string]any{"mode": "none"}
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	r, bad := route.Parse("orders", text)
	if bad != nil {
		t.Fatalf("the route is bad: %v", bad)
	}
	g.route.Store(r)
}

func (g *gateway) serve(w http.ResponseWriter, r *http.Request, proxy http.Handler) {
	call := &route.Call{Route: g.route.Load(), Request: r, RequestID: "id-1", User: g.user, Trusted: g.trusted.Load(),
		Upgrade: access.IsWebSocket(r), Correlation: "c.1", Address: netip.MustParseAddr("192.0.2.1")}
	path, err := pattern.ParsePath(route.SentPath(r))
	if err != nil {
		problem.Write(w, problem.New(problem.BadRequest, err.Error()))
		return
	}
	index := pattern.NewIndex([]pattern.Entry[int]{{Pattern: call.Route.Pattern}})
	if _, call.Values, _ = index.Match(r.Method, r.Host, path); call.Values == nil && len(call.Route.Pattern.Names()) > 0 {
		problem.Write(w, problem.New(problem.NotFound, "there is nothing here"))
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	controller := http.NewResponseController(w)
	var mu sync.Mutex
	over := false // the next request of the connection is not to be disturbed
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		cancel(nil)
	}()
	call.End = func(cause error) {
		select {
		case g.ended <- cause:
		default:
		}
		cancel(cause)
		mu.Lock()
		defer mu.Unlock()
		if !over {
			if r.ContentLength != 0 { // else the server waits for the end of the connection
				_ = controller.SetReadDeadline(time.Unix(1, 0))
			}
			_ = controller.SetWriteDeadline(time.Now().Add(time.Second))
		}
	}
	_ = controller.EnableFullDuplex()
	proxy.ServeHTTP(w, r.WithContext(route.WithCall(ctx, call)))
}

// talk sends a request as it is and returns the answer with its body, whose error is that
// of reading it.
func (g *gateway) talk(t *testing.T, request string) (res *http.Response, body string, err error) {
	t.Helper()
	conn := g.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if res, err = http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(res.Body)
	return res, string(text), err
}

func (g *gateway) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// get asks for a path and returns status and body.
func (g *gateway) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	return g.do(t, http.MethodGet, path, nil)
}

func (g *gateway) do(t *testing.T, method, path string, body io.Reader) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// A rawServer answers each request with bytes, to the letter.
type rawServer struct {
	net.Listener
	heads chan string // of requests
	dials atomic.Int64
}

// serveRaw starts a server that reads heads of requests and answers each by answer, which
// gets the number of the request, then closes the connection.
func serveRaw(t *testing.T, answer func(conn net.Conn, n int64)) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{l, make(chan string, 1000), atomic.Int64{}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n := s.dials.Add(1)
			go func() {
				defer conn.Close()
				var head strings.Builder
				for r := bufio.NewReader(conn); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					if line == "\r\n" {
						break
					}
					head.WriteString(line)
				}
				s.heads <- head.String()
				answer(conn, n)
			}()
		}
	}()
	return s
}

func (s *rawServer) target() string { return "http://" + s.Addr().String() }

// say answers with a text.
func say(text string) func(net.Conn, int64) {
	return func(conn net.Conn, _ int64) { _, _ = io.WriteString(conn, text) }
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

// refusing is an address at which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// codeOf is the code of a problem that a client was told.
func codeOf(t *testing.T, body string) string {
	t.Helper()
	var p struct{ Code string }
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%q is no problem", body)
	}
	return p.Code
}
