package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weft/config/testkit/waitfor"
	"weft/edge/problem"
	"weft/jetstream/blacklist"
)

// A roundTripper is a target.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// holding is a target that does not answer, and counts whom it has.
func holding(n *atomic.Int64) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		n.Add(1)
		defer n.Add(-1)
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	}
}

var open = map[string]any{"pattern": "/open/{rest...}", "target": "http://back", "auth": map[string]any{"mode": "none"}}

func (s *stand) ask(method, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// Over real sockets, on three nodes and without the race detector, each ends within a second:
// test/route_burst_test.go.
func TestTenThousandSessionsThatAreRevokedInABurstEndTheirRequestsSoon(t *testing.T) {
	const n = 10_000
	var held, cut, kept atomic.Int64
	s := newStandTo(t, false, holding(&held), map[string]any{"token": map[string]any{"pattern": "/token", "target": "http://back"}})
	var all sync.WaitGroup
	token := func(i int) string {
		return s.token(t, fmt.Sprint("u", i%100), map[string]any{"jti": fmt.Sprint("s", i)})
	}
	for i := range n + 10 {
		all.Go(func() {
			w := s.ask("GET", "/token", token(i))
			if w.Code == 403 && strings.Contains(w.Body.String(), string(problem.TokenRevoked)) {
				cut.Add(1)
			} else {
				kept.Add(1)
			}
		})
	}
	waitfor.True(t, func() bool { return held.Load() == n+10 })
	begun := time.Now()
	for i := range n {
		s.Cut(blacklist.Entry{Session: fmt.Sprint("s", i)})
	}
	told := time.Since(begun)
	waitfor.True(t, func() bool { return cut.Load() == n })
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v, %v of it to tell", took, told)
	}
	if kept.Load() != 0 || s.Running() != 10 {
		t.Errorf("%d of others were ended, %d run", kept.Load(), s.Running())
	}
	s.Close()
	all.Wait()
	if s.Running() != 0 || s.Known() {
		t.Errorf("%d run", s.Running())
	}
}

func TestARevocationThatComesWhileARequestIsLetInEndsIt(t *testing.T) {
	var held atomic.Int64
	s := newStandTo(t, false, holding(&held), map[string]any{"token": map[string]any{"pattern": "/token", "target": "http://back"}})
	s.asked = func() { s.Cut(blacklist.Entry{Session: "lost"}) } // and the list does not know it yet
	done := make(chan int, 1)
	go func() { done <- s.ask("GET", "/token", s.token(t, "ann", map[string]any{"jti": "lost"})).Code }()
	select {
	case code := <-done:
		if code != 403 {
			t.Errorf("answered %d", code)
		}
	case <-time.After(30 * time.Second):
		t.Error("the request runs on")
		s.Close()
		<-done
	}
}

func TestNobodyEntersANodeThatHasStopped(t *testing.T) {
	s := newStand(t, false, map[string]any{"open": open, "token": map[string]any{"pattern": "/token", "target": "http://back"}})
	s.Close()
	for path, token := range map[string]string{"/open/x": "", "/token": s.token(t, "ann", nil)} {
		if w := s.ask("GET", path, token); w.Code != 503 || !strings.Contains(w.Body.String(), string(problem.Draining)) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if s.Running() != 0 {
		t.Errorf("%d run", s.Running())
	}
}

func TestDrainWaitsForRequestsThatEndByThemselves(t *testing.T) {
	release := make(chan struct{})
	s := newStandTo(t, false, roundTripper(func(r *http.Request) (*http.Response, error) {
		<-release
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
	}), map[string]any{"open": open})
	done := make(chan int, 1)
	go func() { done <- s.ask("GET", "/open/x", "").Code }()
	waitfor.True(t, func() bool { return s.Running() == 1 })
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(t.Context(), time.Minute) }()
	close(release)
	if code, err := <-done, <-drained; code != 200 || err != nil {
		t.Errorf("answered %d, drained: %v", code, err)
	}
}

func TestMetricsNameRoutesOfTheTableAndNoOthers(t *testing.T) {
	s := newStandTo(t, false, roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 201, Header: http.Header{}, Body: http.NoBody}, nil
	}), map[string]any{"open": open, "token": map[string]any{"pattern": "/token", "target": "http://back"}})
	s.ask("GET", "/open/1", "")
	s.ask("GET", "/open/2", "")
	s.ask("GET", "/token", "")
	s.ask("GET", "/nowhere/secret", "")
	series := func() map[string]float64 {
		out := map[string]float64{}
		families, err := s.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != "weft_route_requests_total" {
				continue
			}
			for _, m := range f.GetMetric() {
				if m.GetCounter().GetValue() > 0 {
					out[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
		return out
	}
	if got := series(); len(got) != 3 || got["open 2xx"] != 2 || got["token unauthorised"] != 1 || got[" 4xx"] != 1 {
		t.Errorf("%v", got)
	}
	s.use(t, map[string]any{"token": map[string]any{"pattern": "/token", "target": "http://back"}})
	if got := series(); len(got) != 2 || got["token unauthorised"] != 1 {
		t.Errorf("after the deletion: %v", got)
	}
	s.use(t, map[string]any{"open": open})
	s.ask("GET", "/open/1", "")
	if got := series(); got["open 2xx"] != 1 {
		t.Errorf("after it was put again: %v", got)
	}
	if n, err := testutil.GatherAndCount(s.reg, "weft_route_running"); err != nil || n != 5 {
		t.Errorf("%d series of weft_route_running: %v", n, err)
	}
}

func TestARecordSaysWhoAskedForWhatAndNoSecret(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "12345") }))
	defer back.Close()
	s := newStand(t, true, map[string]any{"token": map[string]any{"pattern": "/token/{x}", "target": back.URL}})
	token := s.token(t, "ann", map[string]any{"jti": "one"})
	r, _ := http.NewRequest("GET", s.server.URL+"/token/a%2Fb?access_token="+token+"&q=hidden&flag", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	waitfor.True(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.records) == 1 })
	got := *s.records[0]
	if got.Route != "token" || got.Path != "/token/a%2Fb?access_token&q&flag" || got.Status != 200 || got.Bytes != 5 || got.Target != back.URL ||
		got.User != "ann" || got.Session != "one" || got.Address != "127.0.0.1" || got.RequestID != res.Header.Get("X-Request-Id") || got.Outcome != "2xx" {
		t.Errorf("%+v", got)
	}
}

func TestAnAnswerThatIsCutIsNotTakenForTheWhole(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "a part")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer back.Close()
	s := newStand(t, true, map[string]any{"open": map[string]any{"pattern": "/open", "target": back.URL, "auth": map[string]any{"mode": "none"}}})
	res, err := http.Get(s.server.URL + "/open")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%q is taken for the whole", text)
	}
	http.DefaultClient.CloseIdleConnections()
	waitfor.True(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.records) == 1 })
	if got := s.records[0]; got.Outcome != "aborted" || got.Status != 200 {
		t.Errorf("%+v", got)
	}
}

func TestAClientThatLeavesIsNoFailureOfTheTarget(t *testing.T) {
	var held atomic.Int64
	s := newStandTo(t, true, holding(&held), map[string]any{"open": open})
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", s.server.URL+"/open/x", nil)
	go func() {
		waitfor.True(t, func() bool { return held.Load() == 1 })
		cancel()
	}()
	if _, err := http.DefaultClient.Do(r); err == nil {
		t.Error("answered")
	}
	waitfor.True(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.records) == 1 })
	if got := s.records[0]; got.Outcome != "client_gone" || held.Load() != 0 {
		t.Errorf("%+v, and the target has %d", got, held.Load())
	}
}

func TestANodeThatIsCutOffEndsWhatRunsByATokenAndNothingElse(t *testing.T) {
	var held atomic.Int64
	s := newStandTo(t, false, holding(&held), map[string]any{"open": open, "token": map[string]any{"pattern": "/token", "target": "http://back"}})
	codes := make(chan string, 2)
	for path, token := range map[string]string{"/open/x": "", "/token": s.token(t, "ann", nil)} {
		go func() {
			w := s.ask("GET", path, token)
			codes <- fmt.Sprint(path, " ", w.Code, " ", strings.Contains(w.Body.String(), string(problem.NotReady)))
		}()
	}
	waitfor.True(t, func() bool { return held.Load() == 2 })
	if !s.Known() || s.Isolate() != 1 {
		t.Error("not one is ended")
	}
	if got := <-codes; got != "/token 503 true" {
		t.Error(got)
	}
	if s.Running() != 1 || s.Known() {
		t.Errorf("%d run", s.Running())
	}
	s.Close()
	<-codes
}
