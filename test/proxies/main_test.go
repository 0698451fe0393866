//go:build unix

// Package proxies runs the snippets of docs/proxies.md with the proxies that they are for,
// nginx, HAProxy, Caddy and Envoy, and follows events through them with a real browser: by what it
// has, and with the client. Then with proxies that do what none should.
package proxies

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"weft/test/browser"
	"weft/test/stage"
)

var shared browser.Shared

func TestMain(m *testing.M) {
	code := m.Run()
	shared.Close()
	stage.RemoveBinary()
	os.Exit(code)
}

// chromium is the browser that all tests share. It believes any certificate.
func chromium(t *testing.T) *browser.Browser {
	t.Helper()
	return shared.Get(t, chromedp.Flag("ignore-certificate-errors", true))
}

// eventually asks until the answer is yes, for a minute, and fails with what was hoped for
// and how it is instead.
func eventually(t *testing.T, hope string, yes func() bool, instead func() any) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for !yes() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within a minute: %s; it is %+v", hope, instead())
		}
	}
}

// A follower is what one way to follow events has told the page.
type follower struct {
	N                         []int
	Opens, Keepalives, Resets int
	Trouble                   []string
	State                     struct{ State, Reason, Transport string }
}

// String leaves out the numbers that are as they should be.
func (f follower) String() string {
	good := 0
	for good < len(f.N) && f.N[good] == good+1 {
		good++
	}
	rest := f.N[good:]
	return fmt.Sprintf("told 1 to %d, then %d, opened %d times, %d keep-alives, %d resets, trouble %q, %+v",
		good, rest[:min(20, len(rest))], f.Opens, f.Keepalives, f.Resets, f.Trouble, f.State)
}

// A page is one of testdata, in a tab, behind a proxy.
type page struct {
	*browser.Tab
	t     *testing.T
	proxy string
}

// visit opens the page behind a proxy.
func visit(t *testing.T, b *browser.Browser, proxy, address string) *page {
	t.Helper()
	p := &page{b.NewTab(t), t, proxy}
	p.Visit(address)
	eventually(t, "a page through "+proxy, func() bool { return p.Run("window.loaded") == "true" }, func() any { return p.Run("document.body.innerText") })
	return p
}

// followers are all of the page, as they are now.
func (p *page) followers() map[string]follower {
	p.t.Helper()
	var all map[string]follower
	if err := json.Unmarshal([]byte(p.Run("all()")), &all); err != nil {
		p.t.Fatal(err)
	}
	return all
}

// await waits until ok holds of a follower.
func (p *page) await(name, hope string, ok func(follower) bool) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s, %s: %s", p.proxy, name, hope),
		func() bool { return ok(p.followers()[name]) }, func() any { return p.followers()[name] })
}
