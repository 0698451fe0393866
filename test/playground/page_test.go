package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

var testAddrs = addresses{Page: "127.0.0.1:4100", Public: "127.0.0.1:4000", Admin: "127.0.0.1:4010", NATS: "127.0.0.1:4222", Kafka: "127.0.0.1:9092", Shop: "127.0.0.1:4200"}

// recorder is a back end that remembers what it was asked.
type recorder struct {
	events  []event
	revoked []string
	booked  []booking
	err     error
}

func (r *recorder) publish(_ context.Context, e event) error {
	r.events = append(r.events, e)
	return r.err
}

func (r *recorder) book(_ context.Context, b booking) error {
	r.booked = append(r.booked, b)
	return r.err
}

func (r *recorder) route(context.Context) (routeItem, error) { return routeItem{Revision: 1}, r.err }

func (r *recorder) putRoute(context.Context, string, bool) error { return r.err }

func (r *recorder) rollBackRoute(context.Context) error { return r.err }

func (r *recorder) sendAway(context.Context, string) error { return r.err }

func (r *recorder) revoke(_ context.Context, session string) error {
	r.revoked = append(r.revoked, session)
	return r.err
}

// ask sends a request to a page, from the page itself unless edit says
// otherwise.
func ask(t *testing.T, p *page, method, path, body string, edit func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = testAddrs.Page
	if method != http.MethodGet {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	p.handler().ServeHTTP(w, r)
	return w
}

func testPage(back backend) *page {
	m := newMint()
	cfg := nodeConfig{name: "playground", dataDir: "/tmp/data", addrs: testAddrs, secret: m.secret}
	return newPage(testAddrs, cfg.masked(), m, back, slog.New(slog.DiscardHandler))
}

func TestEveryAssetThatIsNamedIsThere(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_weft/v1/client.js" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer node.Close()
	p := testPage(&recorder{})
	p.addrs.Public = node.Listener.Addr().String()
	named := regexp.MustCompile(`(?:src|href)="([^"]+)"|from "([^"]+)"`)
	err := fs.WalkDir(assets, "page", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(assets, file)
		if err != nil {
			return err
		}
		for _, m := range named.FindAllSubmatch(b, -1) {
			name := string(m[1]) + string(m[2])
			if strings.HasPrefix(name, "#") {
				if !strings.Contains(string(b), `id="`+name[1:]+`"`) {
					t.Errorf("%s names %s, which is nowhere on it", file, name)
				}
				continue
			}
			if strings.Contains(name, "//") {
				t.Errorf("%s names %s, which is not ours", file, name)
				continue
			}
			if w := ask(t, p, http.MethodGet, path.Join("/", name), "", nil); w.Code != http.StatusOK {
				t.Errorf("%s names %s: status %d", file, name, w.Code)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := ask(t, p, http.MethodGet, "/", "", nil); !strings.Contains(w.Body.String(), "main.js") {
		t.Error("the page does not load its script")
	}
}

func TestTheClientComesFromTheNodeAndIsNotKept(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	defer node.Close()
	p := testPage(&recorder{})
	p.addrs.Public = node.Listener.Addr().String()
	for _, path := range []string{"/_weft/v1/client.js", "/_weft/v1/client-tabs.js"} {
		w := ask(t, p, http.MethodGet, path, "", nil)
		if kept := w.Header().Values("Cache-Control"); w.Body.String() != path || len(kept) != 1 || kept[0] != "no-store" {
			t.Errorf("%s: %s, Cache-Control %q", path, w.Body, kept)
		}
	}
	if w := ask(t, p, http.MethodGet, "/_weft/v1/events", "", nil); w.Code != http.StatusNotFound {
		t.Errorf("events by the page's own address: status %d", w.Code)
	}
}

func TestThePageMayTalkToTheNodeOnly(t *testing.T) {
	w := ask(t, testPage(&recorder{}), http.MethodGet, "/", "", nil)
	csp := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'self'", "connect-src 'self' ws://127.0.0.1:4000 http://127.0.0.1:4000 http://localhost:4000;"} {
		if !strings.Contains(csp, want) {
			t.Errorf("policy %q lacks %q", csp, want)
		}
	}
}

func TestAForeignSiteIsRefused(t *testing.T) {
	back := &recorder{}
	p := testPage(back)
	for name, edit := range map[string]func(*http.Request){
		"another host name":   func(r *http.Request) { r.Host = "evil.example:4100" },
		"a cross-site call":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"an origin elsewhere": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "http://evil.example") },
	} {
		if w := ask(t, p, http.MethodPost, "/api/signin", `{"user":"ann"}`, edit); w.Code/100 != 4 || strings.Contains(w.Body.String(), "eyJ") {
			t.Errorf("%s: status %d, %s", name, w.Code, w.Body)
		}
	}
}

func TestATokenIsSignedForItsUserAndSession(t *testing.T) {
	p := testPage(&recorder{})
	w := ask(t, p, http.MethodGet, "/api/hand?user=ann", "", nil)
	var got struct {
		Token, Session string
		Commands       []command
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	var claims jwt.RegisteredClaims
	if _, err := jwt.ParseWithClaims(got.Token, &claims, func(*jwt.Token) (any, error) { return []byte(p.tokens.secret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("playground"), jwt.WithExpirationRequired()); err != nil {
		t.Fatal(err)
	}
	if claims.Subject != "ann" || claims.ID != got.Session {
		t.Errorf("claims %+v, session %s", claims, got.Session)
	}
	var all strings.Builder
	for _, c := range got.Commands {
		all.WriteString(c.Run + "\n")
	}
	for _, want := range []string{got.Token, got.Session, "kcat", "nats pub", "curl", testAddrs.Kafka, testAddrs.NATS, testAddrs.Public, testAddrs.Admin} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no command names %s", want)
		}
	}
}

func TestAnEventIsCheckedAndPassedOn(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"to a user", `{"to":"ann","via":"kafka","state":"paid","text":"x","n":1,"sent":2.5}`, 200},
		{"to the topic", `{"to":"chat","via":"nats","state":"","text":"x","n":1,"sent":2}`, 200},
		{"to nobody we know", `{"to":"eve","via":"http","state":"paid"}`, 422},
		{"by no way we know", `{"to":"ann","via":"post","state":"paid"}`, 422},
		{"in no state we know", `{"to":"ann","via":"http","state":"weft.close"}`, 422},
		{"too long", `{"to":"ann","via":"http","state":"paid","text":"` + strings.Repeat("ä", maxText+1) + `"}`, 422},
		{"far too long", `{"text":"` + strings.Repeat("x", maxBody) + `"}`, 400},
		{"an unknown field", `{"to":"ann","via":"http","state":"paid","user":"bob"}`, 400},
		{"no JSON", `to=ann`, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			back := &recorder{}
			w := ask(t, testPage(back), http.MethodPost, "/api/send", c.body, nil)
			if w.Code != c.status {
				t.Errorf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if passed := len(back.events) == 1; passed != (c.status == 200) {
				t.Errorf("passed on: %v", back.events)
			}
		})
	}
}

func TestAFailureIsToldToThePage(t *testing.T) {
	back := &recorder{err: errors.New("weft answered 503")}
	p := testPage(back)
	for path, body := range map[string]string{
		"/api/send":   `{"to":"ann","via":"http","state":"paid","text":"x"}`,
		"/api/revoke": `{"session":"ann-ABCDEFGH"}`,
	} {
		w := ask(t, p, http.MethodPost, path, body, nil)
		if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "weft answered 503") {
			t.Errorf("%s: status %d, %s", path, w.Code, w.Body)
		}
	}
}

func TestOnlySessionsOfOursAreRevoked(t *testing.T) {
	back := &recorder{}
	p := testPage(back)
	for session, status := range map[string]int{"ann-ABCDEFGH": 200, "user.ann": 422, "": 422, "eve-ABCDEFGH": 422} {
		if w := ask(t, p, http.MethodPost, "/api/revoke", `{"session":"`+session+`"}`, nil); w.Code != status {
			t.Errorf("%q: status %d, want %d", session, w.Code, status)
		}
	}
	if len(back.revoked) != 1 || back.revoked[0] != "ann-ABCDEFGH" {
		t.Errorf("revoked %v", back.revoked)
	}
}

func TestTheSecretStaysHere(t *testing.T) {
	p := testPage(&recorder{})
	w := ask(t, p, http.MethodGet, "/api/setup", "", nil)
	b, err := io.ReadAll(w.Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatal(w.Code, err)
	}
	if strings.Contains(string(b), p.tokens.secret) {
		t.Error("setup tells the signing secret")
	}
	if !strings.Contains(string(b), "warn_before: 10s") {
		t.Errorf("setup does not show the configuration: %s", b)
	}
}
