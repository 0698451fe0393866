package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weft/config"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

const (
	// fetchTimeout bounds one fetch of a JWKS, openTimeout the first one, which
	// the start of the node waits for.
	fetchTimeout = 10 * time.Second
	openTimeout  = 3 * time.Second
	// maxJWKS bounds how much is read of a JWKS, in bytes.
	maxJWKS = 1 << 20
	// missGap is the least time between fetches that unknown key ids cause,
	// after a burst of missBurst.
	missGap   = 10 * time.Second
	missBurst = 2
	// retryFirst and retryLast are the waits after the first failed fetch and
	// after many.
	retryFirst = time.Second
	retryLast  = time.Minute
	// logAgain is how often a failure that lasts is logged.
	logAgain = time.Hour
	// settleTime bounds how long a token waits for a fetch that it caused.
	settleTime = 2 * time.Second
)

// jwks is the key set behind a URL. One goroutine fetches, at most one fetch at
// a time; readers only ever see the last good set.
type jwks struct {
	url, name string // name is the URL without credentials and query
	every     time.Duration
	client    *http.Client
	log       *slog.Logger
	metrics   *jwksMetrics
	changed   func()
	now       func() time.Time

	current atomic.Pointer[[]*key]
	fetched atomic.Int64                  // when the last good fetch began, Unix nanoseconds
	wanted  atomic.Bool                   // a fetch for an unknown key id is due or running
	over    atomic.Pointer[chan struct{}] // closed after the next fetch
	want    chan struct{}
	misses  *rate.Limiter

	mu       sync.Mutex // one fetch at a time
	failures int        // in a row
	logged   string     // the failure that was logged, and when
	loggedAt time.Time
}

func newJWKS(address string, every time.Duration, log *slog.Logger, m *jwksMetrics) *jwks {
	name := "jwks"
	if u, err := url.Parse(address); err == nil {
		name = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // one request every few minutes
	j := &jwks{
		url: address, name: name, every: every, log: log, metrics: m,
		client:  &http.Client{Transport: transport, CheckRedirect: checkRedirect},
		changed: func() {}, now: time.Now,
		want: make(chan struct{}, 1), misses: rate.NewLimiter(rate.Every(missGap), missBurst),
	}
	j.over.Store(new(make(chan struct{})))
	m.begin(name)
	return j
}

// checkRedirect follows a few redirects and never from https to http.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("more than 3 redirects")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("redirect from https to http")
	}
	return nil
}

// isPlain reports whether a URL is http on another machine.
func isPlain(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "http" && !config.IsLoopback(net.JoinHostPort(u.Hostname(), "80"))
}

func (j *jwks) keys() []*key {
	if p := j.current.Load(); p != nil {
		return *p
	}
	return nil
}

// missing is told that a token names a key that is not in the set, and reports
// whether that may change soon: a fetch is due, or the last good one is not
// recent. It never blocks, and however often it is called it causes one fetch
// per missGap.
func (j *jwks) missing() bool {
	if j.wanted.Load() {
		return true
	}
	if j.misses.AllowN(j.now(), 1) {
		j.wanted.Store(true)
		select {
		case j.want <- struct{}{}:
		default:
		}
		return true
	}
	return j.stale()
}

// stale reports whether the last good fetch is not recent.
func (j *jwks) stale() bool { return j.now().Sub(time.Unix(0, j.fetched.Load())) > missGap }

// settle waits, until ctx ends, for the fetch that missing made due.
func (j *jwks) settle(ctx context.Context) {
	over := j.over.Load() // before wanted, so that its closing cannot be missed
	if !j.wanted.Load() {
		return
	}
	select {
	case <-*over:
	case <-ctx.Done():
	}
}

// run fetches by time and on demand until ctx ends.
func (j *jwks) run(ctx context.Context) {
	for {
		timer := time.NewTimer(j.pause())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-j.want:
		case <-timer.C:
		}
		timer.Stop()
		j.refresh(ctx, fetchTimeout)
	}
}

// pause is how long to wait for the next fetch: jittered, so that nodes that
// started together do not ask together.
func (j *jwks) pause() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.every
	if j.failures > 0 {
		d = min(retryFirst<<min(j.failures-1, 10), retryLast, j.every)
	}
	return d - d/10 + rand.N(d/5+1)
}

// refresh fetches once and keeps the last good set when that fails.
func (j *jwks) refresh(ctx context.Context, timeout time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer func() {
		j.wanted.Store(false)
		close(*j.over.Swap(new(make(chan struct{}))))
	}()
	began := j.now()
	set, err := j.fetch(ctx, timeout)
	if ctx.Err() != nil {
		return // shutting down says nothing about the URL
	}
	if err != nil {
		j.failures++
		j.reportFailure(&set, err)
		return
	}
	if j.failures > 0 {
		j.log.Info("jwks can be fetched again", "jwks", j.name)
	}
	j.failures, j.logged = 0, ""
	j.fetched.Store(began.UnixNano())
	j.metrics.fetches.WithLabelValues(j.name, fetchOK).Inc()
	j.metrics.loaded.WithLabelValues(j.name).Set(float64(began.Unix()))
	if !slices.EqualFunc(j.keys(), set.keys, (*key).sameAs) {
		j.current.Store(&set.keys)
		j.changed()
		j.log.Info("jwks keys are in use", "jwks", j.name, "keys", len(set.keys), "skipped", len(set.refused), "causes", set.causes())
		if set.cut {
			j.log.Warn("jwks is too long; only the keys at its beginning are in use", "jwks", j.name, "bytes", maxJWKS, "keys", len(set.keys))
		}
	}
}

// reportFailure counts a failure, and logs it when it is another one than the last
// and as long as it lasts again each hour.
func (j *jwks) reportFailure(set *jwkSet, err error) {
	result, msg, causes := fetchError, "jwks cannot be fetched, the last good keys stay", ""
	failure := msg // the errors of a network differ each time
	if errors.Is(err, errUnusable) {
		result, msg, causes = fetchUnusable, "jwks was fetched and cannot be used, the last good keys stay", set.causes()
		failure = msg + err.Error() + causes
	}
	j.metrics.fetches.WithLabelValues(j.name, result).Inc()
	if failure == j.logged && j.now().Sub(j.loggedAt) < logAgain {
		return
	}
	j.logged, j.loggedAt = failure, j.now()
	j.log.Error(msg, "jwks", j.name, "keys", len(j.keys()), "err", err, "causes", causes)
}

func (j *jwks) fetch(ctx context.Context, timeout time.Duration) (jwkSet, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return jwkSet{}, errors.New("make request: the URL is not valid")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := j.client.Do(req)
	if err != nil {
		var ue *url.Error // names the whole URL, which may hold a credential
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return jwkSet{}, fmt.Errorf("get key set: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return jwkSet{}, fmt.Errorf("get key set: status %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	if err != nil {
		return jwkSet{}, fmt.Errorf("read key set: %w", err)
	}
	return parseJWKS(b[:min(len(b), maxJWKS)], len(b) > maxJWKS)
}

// Results of a fetch, in metrics.
const (
	fetchOK       = "ok"
	fetchError    = "error"
	fetchUnusable = "unusable"
)

type jwksMetrics struct {
	fetches *prometheus.CounterVec
	loaded  *prometheus.GaugeVec
}

func newJWKSMetrics() *jwksMetrics {
	return &jwksMetrics{
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_auth_jwks_fetches_total",
			Help: "Fetches of JWKS URLs, by result: ok, error, or unusable when what was fetched holds no key that can verify.",
		}, []string{"jwks", "result"}),
		loaded: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "weft_auth_jwks_loaded_timestamp_seconds",
			Help: "When the last good fetch of a JWKS URL began, in Unix seconds; 0: there was none.",
		}, []string{"jwks"}),
	}
}

func (m *jwksMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.fetches, m.loaded}
}

// begin makes the series of a URL, by its name.
func (m *jwksMetrics) begin(name string) {
	for _, result := range []string{fetchOK, fetchError, fetchUnusable} {
		m.fetches.WithLabelValues(name, result)
	}
	m.loaded.WithLabelValues(name)
}
