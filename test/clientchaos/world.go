package clientchaos

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"weft/config/testkit/waitfor"
	"weft/test/browser"
	"weft/test/stage"
)

const (
	isolatedFor = 3 * time.Second
	// readyLimit bounds how long nodes may take until they are ready again.
	readyLimit = time.Minute
)

// perSubject is how many events of a subject the store keeps: more than pass in any fault but
// the one that is about that. It is those of a minute and more, for which pages and nodes may be
// away on a busy machine.
func perSubject() int {
	if atLength() {
		return 4000
	}
	return 1500
}

// A World is what faults are done to.
type World struct {
	Nodes    []*stage.Node
	Balancer *stage.Balancer
	Site     *Site
	Browser  *browser.Browser
	// Host is where the browser runs.
	Host  *stage.Place
	Pages []*Page
	Load  *Load
	// Cuts are when the browser's packets did not come through.
	Cuts []Cut
	// Resets are the subjects of which more was published in a round than is kept.
	Resets []string
	// Log says what a fault does, for whoever reads the log of a failed run.
	Log func(format string, args ...any)

	t    testing.TB
	told map[string]int // the number of the last event by subject, when a round had ended
	// visitors counts those who came for a while.
	visitors int
}

// A Cut is a time in which nothing reached the pages. Told says that their browser
// knew, Old that only those were cut that had been open before.
type Cut struct {
	From, To  time.Time
	Told, Old bool
}

// Start starts nodes, balancer, site and browser, with more options if there are any, until the
// test ends.
func Start(t testing.TB, ctx context.Context, more ...chromedp.ExecAllocatorOption) *World {
	t.Helper()
	w := &World{t: t, Log: logger(t), Site: startSite(t)}
	net := stage.NewNetwork(t, stage.ClusterSize+1)
	w.Host = net.Places[stage.ClusterSize]
	nodes := &stage.Network{Places: net.Places[:stage.ClusterSize]}
	cert, key, both := stage.Certificate(t)
	w.Nodes = nodes.StartCluster(t, ctx, stage.Config{
		"cluster.isolated_for":   isolatedFor.String(),
		"public.keepalive":       keepalive.String(),
		"public.drain_delay":     "1s", // two of the balancer's checks
		"public.cors_origins":    []any{w.Site.URL},
		"public.tls.cert":        cert,
		"public.tls.key":         key,
		"events.max_per_subject": perSubject(),
		"auth.allow":             []any{"topic.chaos.*"},
		"auth.warn_before":       (tokenLife() / 3).String(),
	})
	front := stage.Front{Address: freeAddress(t), Secure: freeAddress(t), Through: freeAddress(t), Certificate: both, App: strings.TrimPrefix(w.Site.URL, "http://")}
	w.Balancer = stage.StartHTTPBalancer(t, ctx, front, w.Nodes)
	w.startBrowser(more)
	return w
}

// freeAddress is one that the browser reaches.
func freeAddress(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(stage.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(stage.Home(), port)
}

// startBrowser starts Chromium on its host. It believes any certificate. Pages share their
// connection only where the origin is secure.
func (w *World) startBrowser(more []chromedp.ExecAllocatorOption) {
	w.t.Helper()
	b, err := browser.Start(append(more,
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { w.Host.Enter(cmd) }),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("unsafely-treat-insecure-origin-as-secure", w.Site.URL))...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Browser = b
	w.t.Cleanup(b.Close)
}

func logger(t testing.TB) func(string, ...any) {
	began := time.Now()
	return func(format string, args ...any) {
		t.Helper()
		t.Logf("%7.2fs %s "+format, append([]any{time.Since(began).Seconds(), time.Now().Format("15:04:05.000")}, args...)...)
	}
}

// asker keeps a node that does not answer from holding up whoever asks.
var asker = &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// awaitReady waits until all nodes are ready, and the balancer has seen it.
func (w *World) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for _, n := range w.Nodes {
		for !answers(ctx, n.AdminURL()+"/readyz") {
			if err := waitfor.Time(ctx, 50*time.Millisecond); err != nil {
				return fmt.Errorf("%s is not ready after %v: %w", n.Config["node.name"], readyLimit, err)
			}
		}
	}
	return nil
}

func answers(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := asker.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// StartPages opens pages with each of the settings, those that share with two tabs, and
// begins to publish when all are open.
func (w *World) StartPages(ctx context.Context, settings []Setting) {
	w.t.Helper()
	for i, s := range settings {
		tabs := 1
		if s.Shared {
			tabs = 2
		}
		w.Pages = append(w.Pages, w.Open(s, fmt.Sprintf("u%d", i+1), tabs, nil)...)
	}
	if missing, err := w.awaitPages(ctx, nil); err != nil {
		w.t.Fatal(err)
	} else if len(missing) > 0 {
		for p, why := range missing {
			w.t.Errorf("%s: %s", p.Name, why)
		}
		w.t.FailNow()
	}
	for _, p := range w.Pages {
		if by := p.Tab.Run(`[...new Set(performance.getEntriesByType("resource").map(x => x.nextHopProtocol).filter(by => by))].join()`); p.By == balancerTLS && by != "h2" {
			w.t.Fatalf("%s: by %q, not by HTTP/2 alone", p.Name, by)
		}
		p.state, p.log, p.fresh = p.shown(), nil, nil // nothing was published before
	}
	w.told = map[string]int{}
	w.Load = startLoad(w.t, ctx, w.Nodes)
	w.Load.Publish(busy, length(40*time.Millisecond, 20*time.Millisecond))
	w.Load.Publish(quiet, quietEvery)
	for i := range settings {
		w.Load.Publish(fmt.Sprintf("user.u%d", i+1), quietEvery)
	}
}
