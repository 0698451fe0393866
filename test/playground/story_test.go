package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func tab(user, rest string) string { return ".tab[data-user=" + user + "] " + rest }

// is is true when user's tab shows the state.
func is(user, state string) string {
	return fmt.Sprintf(`document.querySelector("%s")?.dataset.state === "%s"`, tab(user, ".state"), state)
}

// by is true when user's tab shows by which transport events come.
func by(user, transport string) string {
	return is(user, "open") + fmt.Sprintf(` && document.querySelector("%s")?.hasAttribute("data-used") === true`,
		tab(user, ".transport label:has([value="+transport+"])"))
}

// spoil makes the network of user's tab what it is to be.
func (b *browser) spoil(user, mode string) {
	b.t.Helper()
	// Not where it was a moment ago: the lines above it come and go.
	b.eval(fmt.Sprintf(`(document.querySelector("%s").click(), "")`, tab(user, "[value="+mode+"]")))
	b.await("the network "+mode, fmt.Sprintf(`document.querySelector("%s").dataset.network === %q`, tab(user, "")[:len(tab(user, ""))-1], mode))
}

// numbers are those of the events in user's tab, oldest first.
func numbers(user, class string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("%s")].map((e) => e.dataset.n).reverse().join(" ")`, tab(user, class))
}

func text(user, class string) string {
	return fmt.Sprintf(`(document.querySelector("%s")?.textContent ?? "")`, tab(user, class))
}

// openPlayground opens one with the real binary that ends with the test.
func openPlayground(t *testing.T, o options) *playground {
	t.Helper()
	o.binary = binary
	p, err := open(t.Context(), o, slog.New(slog.NewTextHandler(t.Output(), nil)), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// The story of the page, told with the real binary and a real browser: each
// transport once, each way in once.
func TestWhoComesBackMissesNothingAndWhoIsRevokedStaysOut(t *testing.T) {
	t.Parallel()
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)

	for _, c := range []struct{ transport, via string }{{"sse", viaKafka}, {"websocket", viaNATS}, {"poll", viaHTTP}} {
		b.open("http://" + p.addrs.Page)
		b.await("both connect", is("ann", "open")+" && "+is("bob", "open"))
		b.click(tab("ann", "label:has([value="+c.transport+"])"))
		b.click("label:has([value=" + c.via + "])")
		b.await(c.transport+" connects", by("ann", c.transport))

		b.click("#send")
		b.await(c.via+" reaches "+c.transport, numbers("ann", ".event")+` === "1"`)
		if got := b.eval(text("ann", ".event .type")); got != "order.shipped" {
			t.Errorf("%s: type %q", c.transport, got)
		}

		b.spoil("ann", netGone)
		b.await("she is away, and knows until when", is("ann", "waiting")+" && "+text("ann", ".next")+`.startsWith("next try in")`)
		b.click("#send-three")
		b.await("three are sent", `document.getElementById("caption").textContent === "Sent 3."`)
		b.spoil("ann", netWorks)
		b.awaitFor(time.Minute, "she has what she missed", text("ann", ".note.back")+`.endsWith("missed while away: 3")`)
		if got := b.eval(numbers("ann", ".event.missed")); got != "2 3 4" {
			t.Errorf("%s: she missed %q, want 2 3 4", c.transport, got)
		}
		if got := b.eval(numbers("ann", ".event")); got != "1 2 3 4" {
			t.Errorf("%s: she has %q, want 1 2 3 4", c.transport, got)
		}

		b.click("label:has([name=to][value=" + topicName + "])")
		b.click("#send")
		b.await("both get the word", numbers("ann", ".event")+` === "1 2 3 4 5" && `+numbers("bob", ".event")+` === "5"`)

		b.click(tab("ann", ".revoke"))
		b.await("she is cut", is("ann", "closed")+" && "+text("ann", ".state b")+`.includes("revoked")`)
		if b.eval(is("bob", "open")+` ? "stays" : "gone"`) != "stays" {
			t.Errorf("%s: Bob went with Ann", c.transport)
		}
		b.click(tab("ann", ".sign-in"))
		b.await("she is back", by("ann", c.transport))
		for _, fact := range []string{".twice", ".resets"} {
			if got := b.eval(text("ann", fact)); got != "0" {
				t.Errorf("%s: %s %s, want 0", c.transport, fact, got)
			}
		}
	}
}

// A new session is not the old one: who signs in anew is not cut when the old one is revoked.
func TestRevokeTokenTakesTheSessionThatTheConnectionUses(t *testing.T) {
	t.Parallel()
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	b.open("http://" + p.addrs.Page)
	for _, transport := range []string{"websocket", "sse", "poll"} {
		b.click(tab("ann", "label:has([value="+transport+"])"))
		b.await(transport+" connects", by("ann", transport))
		old := b.eval(text("ann", ".session"))
		b.click(tab("ann", ".sign-in"))
		b.await("another session", text("ann", ".session")+` !== "`+old+`" && `+by("ann", transport))
		if err := p.page.back.revoke(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		b.click("#send")
		b.await("the new session has events", text("ann", ".event .road")+`.includes("→")`)
		b.click(tab("ann", ".revoke"))
		b.await(transport+" is cut", is("ann", "closed")+" && "+text("ann", ".state b")+`.includes("revoked")`)
		b.click(tab("ann", ".sign-in"))
		b.await("she is back", by("ann", transport))
	}
}

// fakeNode writes a script that stands for a binary which does not work.
func fakeNode(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weft")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestANodeThatDoesNotStartIsToldAndLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out strings.Builder
	binary := fakeNode(t, `echo "weft: error: no disk" >&2; exit 3`)
	_, err := open(t.Context(), options{wish: anyPort, binary: binary}, slog.New(slog.DiscardHandler), &out)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("open: %v", err)
	}
	if !strings.Contains(out.String(), "weft │ weft: error: no disk\n") {
		t.Errorf("weft's own words are not shown: %s", &out)
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "weft-playground-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestThePlaygroundEndsWithItsNode(t *testing.T) {
	n, err := startNode("weft", fakeNode(t, "exit 4"), "weft.yaml", testAddrs.Admin, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	p := &playground{failed: make(chan error, 1)}
	p.watch("weft", n)
	if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 4") {
		t.Errorf("Run: %v", err)
	}
}
