package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weft/test/stage"
)

// forwardBytes is how much passes in each direction: WEFT_FORWARD_BYTES, or 256 MiB.
func forwardBytes(t testing.TB) int64 { return sized(t, "WEFT_FORWARD_BYTES", 256<<20) }

// sized is a number of the environment, or what it is without.
func sized(t testing.TB, name string, otherwise int64) int64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, no number", name, text)
	}
	return n
}

// A pattern of bytes that begins anew nowhere near.
type blocks struct{ left, at int64 }

func (b *blocks) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.left)]
	for i := range p {
		p[i] = byte((b.at + int64(i)) * 2654435761 >> 13)
	}
	b.left -= int64(len(p))
	b.at += int64(len(p))
	return len(p), nil
}

// Bodies of any size pass in both directions at once, and the node's memory stays what it
// was.
func TestBodiesOfAnySizePassThroughLittleMemory(t *testing.T) {
	back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		_ = c.Flush()
		_, _ = io.Copy(w, r.Body)
	})
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, node, "h1", stage.Route{"pattern": "/h1", "target": back.URL(), "auth": openToAll, "body_limit": "none"})
	stage.PutRoute(t, node, "h2c", stage.Route{"pattern": "/h2c", "target": back.H2C(), "auth": openToAll, "body_limit": "none"})
	size := forwardBytes(t)
	sum := sha256.New()
	_, _ = io.Copy(sum, &blocks{left: size})
	want := sum.Sum(nil)
	for _, front := range []bool{false, true} {
		for _, path := range []string{"/h1", "/h2c"} {
			client := plainClient(t, front)
			if got := bodyOf(t, sendTo(t, client, "POST", node.URL()+path, strings.NewReader("warm"))); got != "warm" {
				t.Fatalf("%q came back", got)
			}
			before := resident(t, node)
			most, stop := watchMemory(t, node)
			r, _ := http.NewRequestWithContext(within(t, 10*time.Minute), "POST", node.URL()+path, &blocks{left: size})
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.New()
			n, err := io.Copy(sum, res.Body)
			_ = res.Body.Close()
			stop()
			if err != nil || n != size || !bytes.Equal(sum.Sum(nil), want) {
				t.Errorf("HTTP/2 in front %v, %s: %d of %d bytes came back, whole: %v, %v", front, path, n, size, bytes.Equal(sum.Sum(nil), want), err)
			}
			if grown := *most - before; grown > 32<<20 {
				t.Errorf("HTTP/2 in front %v, %s: memory grew by %d MiB", front, path, grown>>20)
			} else {
				t.Logf("HTTP/2 in front %v, %s: memory grew by %.1f MiB", front, path, float64(grown)/(1<<20))
			}
		}
	}
}

func resident(t testing.TB, n *stage.Node) int64 {
	t.Helper()
	rss, err := n.Process().RSS()
	if err != nil {
		t.Fatal(err)
	}
	return rss
}

// watchMemory looks at a node's memory until stop, and knows the most of it then.
func watchMemory(t testing.TB, n *stage.Node) (most *int64, stop func()) {
	most = new(int64)
	done := make(chan bool)
	var looking sync.WaitGroup
	looking.Go(func() {
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			if rss, err := n.Process().RSS(); err == nil {
				*most = max(*most, rss)
			}
			select {
			case <-tick.C:
			case <-done:
				tick.Stop()
				return
			}
		}
	})
	return most, func() {
		close(done)
		looking.Wait()
	}
}

// slowOnes is how many clients or back ends do nothing at once: WEFT_SLOW_ONES, or 300.
func slowOnes(t testing.TB) int64 { return sized(t, "WEFT_SLOW_ONES", 300) }

// Clients and back ends that stand still hold nothing once idle_timeout is over, and keep
// nobody else waiting.
func TestWhatStandsStillIsLetGo(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("x"), 1<<20)
	back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/big": // more than all buffers on the way
			for range 64 {
				if _, err := w.Write(big); err != nil {
					return
				}
			}
		case "/slow":
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, node, "r", routeTo(back.URL(), "idle_timeout", "2s"))
	client, many := plainClient(t, false), slowOnes(t)
	ask := func() {
		t.Helper()
		if got := told(t, sendTo(t, client, "GET", node.URL()+"/", nil)); got != "200 " {
			t.Fatal(got)
		}
	}
	ask()
	client.CloseIdleConnections()
	eventually(t, 20*time.Second, "nothing is running", func() bool { return runningHTTP(t, node) == 0 })
	before := metric(t, node, `go_goroutines`)
	files, err := node.Process().Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/big", "/slow", "/upload"} {
		var conns []net.Conn
		for range many {
			conn, err := net.Dial("tcp", node.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
			request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: weft\r\n\r\n", path)
			if path == "/upload" {
				request = "POST /upload HTTP/1.1\r\nHost: weft\r\nContent-Length: 10\r\n\r\nabc"
			}
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		if path == "/slow" {
			for _, conn := range conns {
				_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
				if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || res.StatusCode != 200 {
					t.Fatal(res, err)
				}
			}
		}
		var took []time.Duration
		for range 50 {
			began := time.Now()
			ask()
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		t.Logf("%s: beside %d that stand still a request takes %v, at most %v", path, many, took[25], took[49])
		if took[25] > time.Second { // those that stand still do so for two
			t.Errorf("%s: others wait %v", path, took[25])
		}
		client.CloseIdleConnections()
		eventually(t, 30*time.Second, path+": nothing is running", func() bool { return runningHTTP(t, node) == 0 })
		// The clients are still there, and read nothing.
		eventually(t, 30*time.Second, path+": no goroutine is left over", func() bool { return metric(t, node, `go_goroutines`) <= before+70 })
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
	eventually(t, 30*time.Second, "no socket is left over", func() bool {
		now, err := node.Process().Files()
		return err == nil && now <= files+70 // idle ones to the back end
	})
}

func runningHTTP(t testing.TB, n *stage.Node) float64 {
	t.Helper()
	return metric(t, n, `weft_route_running\{scheme="http"\}`)
}

// Uploads that a back end does not take hold little of what a client sends over HTTP/2, and
// do not keep others of the same connection waiting, as that of a proxy with many clients.
func TestAnUploadThatIsNotTakenHoldsUpNoOtherOfItsConnection(t *testing.T) {
	release := make(chan bool)
	defer close(release)
	back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stuck" {
			<-release
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, node, "r", routeTo(back.URL(), "body_limit", "none"))
	client := plainClient(t, true)
	if got := told(t, sendTo(t, client, "POST", node.URL()+"/", strings.NewReader("warm"))); got != "200 " {
		t.Fatal(got)
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	before := resident(t, node)
	var stuck sync.WaitGroup
	var sent [3]counting
	for i := range sent {
		stuck.Go(func() {
			r, _ := http.NewRequestWithContext(ctx, "POST", node.URL()+"/stuck", &sent[i])
			if res, err := client.Do(r); err == nil {
				_ = res.Body.Close()
			}
		})
	}
	for i := range sent {
		last, since := int64(0), time.Now()
		eventually(t, 20*time.Second, "no more of an upload is taken", func() bool {
			if now := sent[i].n.Load(); now != last {
				last, since = now, time.Now()
			}
			return last > 0 && time.Since(since) > 200*time.Millisecond
		})
	}
	for range 5 {
		if got := told(t, sendTo(t, client, "POST", node.URL()+"/", &blocks{left: 1 << 20})); got != "200 " {
			t.Fatal(got)
		}
	}
	if grown := resident(t, node) - before; grown > 16<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	leave()
	stuck.Wait()
}

// A counting body never ends, and knows how much of it was read.
type counting struct{ n atomic.Int64 }

func (c *counting) Read(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}
