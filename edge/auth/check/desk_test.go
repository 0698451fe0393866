package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"weft/edge/auth"
	"weft/edge/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a secret that is long enough for HS256"

// desk is a back end that decides, and a Checker that asks it.
type desk struct {
	*Checker
	t       *testing.T
	cfg     auth.Config
	decides atomic.Pointer[func(q question) int]
	hold    chan struct{} // nil: answers at once

	mu          sync.Mutex
	asked       []question
	busy, most  int
	mostOfUser  int
	busyOfUsers map[string]int
	logged      bytes.Buffer
	clock       time.Time
}

// open makes one that allows the subjects which end in "yes".
func open(t *testing.T, change func(*auth.CheckConfig)) *desk {
	t.Helper()
	d := &desk{t: t, cfg: auth.Default(), clock: time.Now(), busyOfUsers: map[string]int{}}
	d.says(func(q question) int {
		if strings.HasSuffix(q.Subject, "yes") {
			return 200
		}
		return 403
	})
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.cfg.Issuers = []auth.Issuer{{Keys: []auth.Key{{Alg: "HS256", Secret: secret}}}}
	d.cfg.Allow, d.cfg.Publish = []string{"topic.free.*"}, []string{"topic.free.*"}
	d.cfg.External.URL = server.URL + "/may"
	if change != nil {
		change(&d.cfg.External)
	}
	if err := errors.Join(d.cfg.Check()...); err != nil {
		t.Fatal(err)
	}
	client := &http.Transport{MaxIdleConnsPerHost: 100}
	var err error
	if d.Checker, err = New(d.cfg.External, client, slog.New(slog.NewTextHandler(&d.logged, nil)), prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	d.now = func() time.Time { d.mu.Lock(); defer d.mu.Unlock(); return d.clock }
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func (d *desk) says(f func(q question) int) { d.decides.Store(&f) }

func (d *desk) pass(time time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock = d.clock.Add(time)
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q question
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, &q); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		d.t.Errorf("asked by %s with %q", r.Method, body)
	}
	d.mu.Lock()
	d.asked = append(d.asked, q)
	d.busy++
	d.busyOfUsers[q.User]++
	d.most, d.mostOfUser = max(d.most, d.busy), max(d.mostOfUser, d.busyOfUsers[q.User])
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.busy--
		d.busyOfUsers[q.User]--
	}()
	if d.hold != nil {
		select {
		case <-d.hold:
		case <-r.Context().Done():
		}
	}
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader((*d.decides.Load())(q))
}

func (d *desk) questions() []question {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]question(nil), d.asked...)
}

// identity is that of a token.
func (d *desk) identity(user string, claims map[string]any) *auth.Identity {
	d.t.Helper()
	v, err := auth.New(d.cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := v.Open(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	token, err := auth.Mint(d.cfg, user, claims)
	if err != nil {
		d.t.Fatal(err)
	}
	id, err := v.Verify(d.t.Context(), token)
	if err != nil {
		d.t.Fatal(err)
	}
	return id
}

// want fails unless err is a problem of that code, "" for none.
func (d *desk) want(what string, err error, code problem.Code) {
	d.t.Helper()
	p, ok := errors.AsType[*problem.Problem](err)
	if code == "" && err != nil || code != "" && (!ok || p.Code != code) {
		d.t.Errorf("%s: %v, want %q", what, err, code)
	}
}

func (d *desk) wantAsked(what string, n int) {
	d.t.Helper()
	if got := len(d.questions()); got != n {
		d.t.Errorf("%s: it was asked %d times, want %d", what, got, n)
	}
}
