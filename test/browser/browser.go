// Package browser drives a real Chromium that receives events as a page would:
// with the browser's own EventSource, WebSocket and fetch.
package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"weft/test/client"
)

//go:embed page.html
var document []byte

// A Browser is a running Chromium with a fresh profile.
type Browser struct {
	// Origin is where the page comes from; a node must permit it.
	Origin string

	ctx    context.Context
	cancel context.CancelFunc
	pages  *httptest.Server
}

// Start starts Chromium, with more options if there are any. Close ends it.
func Start(more ...chromedp.ExecAllocatorOption) (*Browser, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // Chromium's sandbox refuses to run as root
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true),
		chromedp.WSURLReadTimeout(time.Minute), // the machine may be busy
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &Browser{ctx: ctx, cancel: func() { cancel(); stop() }}
	if err := chromedp.Do(ctx); err != nil {
		b.cancel()
		return nil, fmt.Errorf("start chromium: %w", err)
	}
	b.pages = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(document)
	}))
	b.Origin = b.pages.URL
	return b, nil
}

// Close ends the browser.
func (b *Browser) Close() {
	b.pages.Close()
	b.cancel()
}

// A Tab shows the test's page, with cookies of its own.
type Tab struct {
	t      testing.TB
	ctx    context.Context
	cancel context.CancelFunc
}

// An Entry is something that a connection of a page told it.
type Entry struct {
	// What is "open", "error", "close" (with Code and Clean), "answer" (the status
	// of a poll, in Code) or "event".
	What  string `json:"what"`
	Code  int    `json:"code"`
	Clean bool   `json:"clean"` // a WebSocket was closed by both sides
	// ID, Type and Data are those of an event; Data is what JavaScript holds.
	ID   string `json:"id"`
	Type string `json:"type"`
	Data string `json:"data"`
}

// NewTab opens the page in a new tab until the test ends.
func (b *Browser) NewTab(t testing.TB) *Tab {
	t.Helper()
	return b.NewTabAt(t, b.Origin)
}

// NewTabAt is NewTab with the page at an address.
func (b *Browser) NewTabAt(t testing.TB, url string) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	tab := &Tab{t: t, ctx: ctx, cancel: cancel}
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open page: %v", err)
	}
	return tab
}

// Beside opens the page in a tab beside this one: of the same visitor, with the same cookies
// and the same connections.
func (tab *Tab) Beside() *Tab {
	tab.t.Helper()
	return tab.BesideAt(eval[string](tab, "location.origin"))
}

// BesideAt is Beside with the page at an address.
func (tab *Tab) BesideAt(url string) *Tab {
	tab.t.Helper()
	ctx, cancel := chromedp.NewContext(tab.ctx)
	tab.t.Cleanup(cancel)
	other := &Tab{t: tab.t, ctx: ctx, cancel: cancel}
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		tab.t.Fatalf("open page: %v", err)
	}
	return other
}

// Shut closes the tab, as a visitor does who has seen enough.
func (tab *Tab) Shut() { tab.cancel() }

// eval runs JavaScript in the page and decodes its value, within a time limit.
func eval[T any](tab *Tab, script string) T {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("evaluate %.80s: %v", script, err)
	}
	return value
}

// call calls a function of the page.
func call[T any](tab *Tab, name string, args ...any) T {
	tab.t.Helper()
	list, err := json.Marshal(args)
	if err != nil {
		tab.t.Fatal(err)
	}
	return eval[T](tab, fmt.Sprintf("%s(...%s)", name, list))
}

// Open lets the page follow the events of the origin with a token: EventSource
// with the cookie weft_token, WebSocket with a subprotocol, fetch with a header.
// The page listens to the named event types and to unnamed events.
func (tab *Tab) Open(kind client.Transport, origin, token string, types ...string) int {
	tab.t.Helper()
	if types == nil {
		types = []string{}
	}
	return call[int](tab, "follow", kind, origin, token, types)
}

// Close lets the page close a connection.
func (tab *Tab) Close(conn int) {
	tab.t.Helper()
	call[bool](tab, "leave", conn, 0)
}

// CloseWith lets the page close a WebSocket with a code.
func (tab *Tab) CloseWith(conn, code int) {
	tab.t.Helper()
	call[bool](tab, "leave", conn, code)
}

// Entries returns all that a connection has told so far.
func (tab *Tab) Entries(conn int) []Entry {
	tab.t.Helper()
	return call[[]Entry](tab, "entries", conn)
}

// Await waits until ok holds of a connection's entries, and returns them.
func (tab *Tab) Await(conn int, what string, ok func([]Entry) bool) []Entry {
	tab.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		all := tab.Entries(conn)
		if ok(all) {
			return all
		}
		select {
		case <-tick.C:
		case <-limit:
			tab.t.Fatalf("waited in vain for %s; so far: %.2000v", what, all)
		}
	}
}

// Payloads returns the events among the entries that are not in-band ones.
func Payloads(all []Entry) []Entry {
	var some []Entry
	for _, e := range all {
		if e.What == "event" && !(client.Event{Type: e.Type}).InBand() {
			some = append(some, e)
		}
	}
	return some
}

// Count counts the events of a type.
func Count(all []Entry, typ string) int {
	n := 0
	for _, e := range all {
		if e.What == "event" && e.Type == typ {
			n++
		}
	}
	return n
}

// Visit opens an address in the tab, in place of the page.
func (tab *Tab) Visit(url string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		tab.t.Fatalf("open %s: %v", url, err)
	}
}

// Text is what the element with an id shows.
func (tab *Tab) Text(id string) string {
	tab.t.Helper()
	return eval[string](tab, fmt.Sprintf("document.getElementById(%q).textContent", id))
}

// Run runs JavaScript in the page and returns its value as text.
func (tab *Tab) Run(script string) string {
	tab.t.Helper()
	return eval[string](tab, "String("+script+")")
}
