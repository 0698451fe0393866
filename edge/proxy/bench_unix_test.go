//go:build unix

package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// processorTime is that of this process.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A pool is the buffers of the bare proxy, which Weft has, too.
type pool struct{ sync.Pool }

// Get implements httputil.BufferPool.
func (p *pool) Get() []byte {
	if b, ok := p.Pool.Get().(*[32 << 10]byte); ok {
		return b[:]
	}
	return make([]byte, 32<<10)
}

// Put implements httputil.BufferPool.
func (p *pool) Put(b []byte) { p.Pool.Put((*[32 << 10]byte)(b)) }

// BenchmarkRouteBesideABareProxy is a request of 1 KiB through a bare ReverseProxy, and through routes.
// cpu-µs/op is processor time, that of client and back end included, which is the same
// in all.
func BenchmarkRouteBesideABareProxy(b *testing.B) {
	kib := strings.Repeat("x", 1024)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, kib)
	}))
	defer back.Close()
	target, _ := url.Parse(back.URL)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	bare := httptest.NewServer(&httputil.ReverseProxy{Transport: transport, BufferPool: &pool{}, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
	}})
	defer bare.Close()
	s := newStand(b, false, thousand(back.URL, map[string]any{
		"none": map[string]any{"pattern": "/none/{rest...}", "target": back.URL, "auth": map[string]any{"mode": "none"}},
		"full": map[string]any{"pattern": "/full/{rest...}", "target": back.URL,
			"rate":            map[string]any{"per": "user", "limit": "1000000/s"},
			"request_headers": map[string]any{"set": map[string]any{"X-Role": "{/role}", "X-User": "{user}"}}},
	}))
	token := s.token(b, "ann", map[string]any{"role": "buyer", "jti": "one"})
	for _, c := range []struct{ name, url, token string }{
		{"bare", bare.URL + "/none/x", ""},
		{"mode none", s.server.URL + "/none/x", ""},
		{"token, rate, set", s.server.URL + "/full/x", token},
		{"bare with token", bare.URL + "/full/x", token},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			b.Run(c.name+"/"+method, func(b *testing.B) {
				client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
				defer client.CloseIdleConnections()
				b.ReportAllocs()
				began := processorTime()
				for b.Loop() {
					var body io.Reader
					if method == http.MethodPost {
						body = strings.NewReader(kib)
					}
					r, _ := http.NewRequest(method, c.url, body)
					if c.token != "" {
						r.Header.Set("Authorization", "Bearer "+c.token)
					}
					res, err := client.Do(r)
					if err != nil {
						b.Fatal(err)
					}
					if res.StatusCode != 200 {
						b.Fatal(res.Status)
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				b.ReportMetric(float64((processorTime()-began).Microseconds())/float64(b.N), "cpu-µs/op")
			})
		}
	}
}
