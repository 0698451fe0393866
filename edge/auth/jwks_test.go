package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
)

// jwk writes a public key as a JSON Web Key; changes are merged into it.
func jwk(t testing.TB, k crypto.Signer, kid string, changes map[string]any) map[string]any {
	t.Helper()
	j, err := jwkset.NewJWKFromKey(k.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(j.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for name, v := range changes {
		m[name] = v
	}
	return m
}

func keySet(t testing.TB, keys ...map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// server is a JWKS URL without a network: a RoundTripper.
type server struct {
	mu     sync.Mutex
	body   []byte
	status int // 0: the connection fails
	hits   atomic.Int64
}

func (s *server) set(status int, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body = status, body
}

func (s *server) RoundTrip(*http.Request) (*http.Response, error) {
	s.hits.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: s.status, Body: io.NopCloser(bytes.NewReader(s.body)), Header: http.Header{}}, nil
}

// running starts a verifier whose only keys are those of s. Use in a synctest bubble.
func running(t *testing.T, s *server, log *slog.Logger) *Verifier {
	t.Helper()
	cfg := Default()
	cfg.Issuers = []Issuer{{JWKS: "https://issuer.test/keys"}}
	v, err := New(cfg, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	v.issuers[0].jwks.client.Transport = s
	if err := v.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = v.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return v
}

func TestKeysComeFromARealJWKSServer(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/keys", http.StatusFound)
			return
		}
		_, _ = w.Write(keySet(t, jwk(t, ec, "k1", nil)))
	}))
	defer ts.Close()
	for _, path := range []string{"/keys", "/old"} {
		cfg := Default()
		cfg.Issuers = []Issuer{{JWKS: ts.URL + path}}
		v := newVerifier(t, cfg)
		if _, err := v.Verify(t.Context(), sign(t, "ES256", ec, "k1", claims(nil))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestARotatedKeyIsFoundByItsUnknownID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
		s := &server{status: 200, body: keySet(t, jwk(t, old, "old", nil))}
		v := running(t, s, quiet)
		oldToken := sign(t, "ES256", old, "old", claims(nil))
		if _, err := v.Verify(t.Context(), oldToken); err != nil {
			t.Fatal(err)
		}
		s.set(200, keySet(t, jwk(t, next, "next", nil)))
		token := sign(t, "ES256", next, "next", claims(nil))
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err) // the first one waits for the fetch that it causes
		}
		if n := s.hits.Load(); n != 2 {
			t.Errorf("%d fetches, want the first and that for the unknown id", n)
		}
		// The old key is gone, also for a token that is in the cache.
		for range missBurst + 1 {
			_, err := v.Verify(t.Context(), oldToken)
			wantErr(t, err, ErrInvalid, oldToken)
		}
	})
}

func TestATokenDoesNotWaitLongForASilentURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
		v := running(t, &server{status: 200, body: keySet(t, jwk(t, old, "old", nil))}, quiet)
		v.issuers[0].jwks.client.Transport = silent{}
		time.Sleep(2 * missGap) // the last good fetch is not recent
		token := sign(t, "ES256", next, "next", claims(nil))
		begin := time.Now()
		_, err := v.Verify(t.Context(), token)
		wantErr(t, err, ErrNotReady, token)
		if d := time.Since(begin); d != settleTime {
			t.Errorf("answered after %v, want %v", d, settleTime)
		}
		begin = time.Now()
		if _, err := v.Verify(t.Context(), sign(t, "ES256", old, "old", claims(nil))); err != nil || time.Since(begin) != 0 {
			t.Errorf("a known key had to wait %v: %v", time.Since(begin), err)
		}
	})
}

func TestKeysAreFetchedAgainByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ecKey(t, elliptic.P256())
		s := &server{status: 200, body: keySet(t, jwk(t, k, "k", nil))}
		running(t, s, quiet)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if n := s.hits.Load(); n != 2 {
			t.Errorf("%d fetches in six minutes, want 2", n)
		}
	})
}

func TestTheLastGoodKeysStayWhenTheURLFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ecKey(t, elliptic.P256())
		good := keySet(t, jwk(t, k, "k", nil))
		s := &server{status: 200, body: good}
		var logged bytes.Buffer
		v := running(t, s, slog.New(slog.NewTextHandler(&logged, nil)))
		for _, failure := range []struct {
			status int
			body   []byte
		}{
			{0, nil}, {500, good}, {200, []byte("<html>")}, {200, []byte(`{"keys":[]}`)},
			{200, bytes.Repeat([]byte(" "), maxJWKS+1)}, {304, nil},
		} {
			s.set(failure.status, failure.body)
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if _, err := v.Verify(t.Context(), sign(t, "ES256", k, "k", claims(nil))); err != nil {
				t.Errorf("status %d: %v", failure.status, err)
			}
		}
		s.set(200, good)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		// It begins, three sets are of no use, each in another way, and it goes on.
		for line, want := range map[string]int{"cannot be fetched": 2, "was fetched and cannot be used": 3} {
			if n := strings.Count(logged.String(), line); n != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", line, n, want, &logged)
			}
		}
		if n := strings.Count(logged.String(), "can be fetched again"); n != 1 {
			t.Errorf("the recovery is logged %d times, want once", n)
		}
	})
}

func TestASetThatCannotBeUsedIsSaidToBeSoKeyByKeyEachHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ecKey(t, elliptic.P256())
		s := &server{status: 200, body: keySet(t, jwk(t, k, "k", nil))}
		var logged bytes.Buffer
		v := running(t, s, slog.New(slog.NewTextHandler(&logged, nil)))
		s.set(200, keySet(t, jwk(t, k, "lock", map[string]any{"use": "enc"}), map[string]any{"kty": "AKP", "kid": "quantum"}))
		time.Sleep(3*time.Hour + 30*time.Minute)
		synctest.Wait()
		var lines []string
		for line := range strings.Lines(logged.String()) {
			if strings.Contains(line, "level=ERROR") {
				lines = append(lines, line)
			}
		}
		if len(lines) != 4 {
			t.Errorf("it is said %d times in three hours and a half, want 4:\n%s", len(lines), &logged)
		}
		for _, line := range lines {
			for _, want := range []string{"was fetched and cannot be used", "keys=1 ", "none of its 2 keys", `kid \"lock\" kty EC: is for \"enc\" (use)`, `kid \"quantum\" kty AKP: `} {
				if !strings.Contains(line, want) {
					t.Errorf("%q is not in\n%s", want, line)
				}
			}
		}
		if _, err := v.Verify(t.Context(), sign(t, "ES256", k, "k", claims(nil))); err != nil {
			t.Errorf("the last set that was of use does not serve: %v", err)
		}
		// What is wrong changes: that is said at once.
		s.set(200, keySet(t, jwk(t, k, "other", map[string]any{"use": "enc"})))
		time.Sleep(2 * retryLast)
		synctest.Wait()
		if !strings.Contains(logged.String(), `kid \"other\"`) {
			t.Errorf("another failure is not logged:\n%s", &logged)
		}
		s.set(200, keySet(t, jwk(t, k, "k", nil)))
		time.Sleep(2 * retryLast)
		synctest.Wait()
		if !strings.Contains(logged.String(), "can be fetched again") {
			t.Error("the end is not said")
		}
	})
}

func TestAURLThatFailsFromTheStartIsNotReadyAndThenMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ecKey(t, elliptic.P256())
		s := &server{}
		v := running(t, s, quiet)
		token := sign(t, "ES256", k, "k", claims(nil))
		for range 5 {
			_, err := v.Verify(t.Context(), token)
			wantErr(t, err, ErrNotReady, token)
			synctest.Wait()
		}
		// What could never be good is told at once.
		hmac := signHMAC(t, nil)
		_, err := v.Verify(t.Context(), hmac)
		wantErr(t, err, ErrInvalid, hmac)
		s.set(200, keySet(t, jwk(t, k, "k", nil)))
		time.Sleep(retryLast + retryLast/10)
		synctest.Wait()
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	})
}

func TestAFloodOfUnknownKeyIDsCausesFewFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := ecKey(t, elliptic.P256())
		s := &server{status: 200, body: keySet(t, jwk(t, k, "k", nil))}
		v := running(t, s, quiet)
		good := sign(t, "ES256", k, "k", claims(nil))
		start, other := time.Now(), ecKey(t, elliptic.P256())
		for i := range 600 {
			token := sign(t, "ES256", other, fmt.Sprintf("kid-%d", i), claims(nil))
			if _, err := v.Verify(t.Context(), token); err == nil {
				t.Fatal("a forged token is accepted")
			}
			if _, err := v.Verify(t.Context(), good); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		most := int64(time.Since(start)/missGap) + missBurst + 1
		if n := s.hits.Load(); n > most || n < 3 {
			t.Errorf("%d fetches in a minute of forged tokens, want 3 to %d", n, most)
		}
		// Also one that is over by its own word asks for nothing.
		time.Sleep(time.Minute)
		synctest.Wait()
		before := s.hits.Load()
		over := sign(t, "ES256", other, "x", claims(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}))
		_, err := v.Verify(t.Context(), over)
		wantErr(t, err, ErrInvalid, over)
		synctest.Wait()
		if s.hits.Load() != before {
			t.Error("an expired token of an unknown key causes a fetch")
		}
	})
}

func TestARedirectNeverLeavesHTTPS(t *testing.T) {
	request := func(url string) *http.Request { return httptest.NewRequest("GET", url, nil) }
	via := []*http.Request{request("https://a/keys")}
	if checkRedirect(request("http://a/keys"), via) == nil {
		t.Error("a redirect to http is followed")
	}
	if err := checkRedirect(request("https://b/keys"), via); err != nil {
		t.Error(err)
	}
	if checkRedirect(request("https://b/keys"), append(via, via[0], via[0], via[0])) == nil {
		t.Error("a fourth redirect is followed")
	}
}

func TestAJWKSWithoutTLSBeyondThisMachineIsWarnedOf(t *testing.T) {
	for address, want := range map[string]bool{
		"https://issuer.test/k": false, "http://issuer.test/k": true, "http://10.0.0.1:8080/k": true, "http://127.0.0.1:8080/k": false, "http://localhost/k": false, "http://[::1]:1/k": false,
	} {
		if got := isPlain(address); got != want {
			t.Errorf("%s: plain is %v", address, got)
		}
	}
}

func TestOpenDoesNotWaitLongForASilentURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Default()
		cfg.Issuers = []Issuer{{JWKS: "https://issuer.test/keys"}}
		v, err := New(cfg, quiet, nil)
		if err != nil {
			t.Fatal(err)
		}
		v.issuers[0].jwks.client.Transport = silent{}
		start := time.Now()
		if err := v.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != openTimeout || v.issuers[0].jwks.failures != 1 {
			t.Errorf("Open took %v, failures %d", d, v.issuers[0].jwks.failures)
		}
	})
}

// silent never answers.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestErrorsOfAFetchDoNotHoldTheCredentialsOfTheURL(t *testing.T) {
	j := newJWKS("https://user:hunter2@issuer.test/keys?key=hunter3", time.Minute, quiet, newJWKSMetrics())
	j.client.Transport = &server{}
	_, err := j.fetch(t.Context(), time.Second)
	if err == nil || strings.Contains(err.Error()+j.name, "hunter") {
		t.Errorf("name %s, error %v", j.name, err)
	}
}
