package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func tab(user, rest string) string { return ".tab[data-user=" + user + "] " + rest }

// is is true when user's tab shows the state.
func is(user, state string) string {
	return fmt.Sprintf(`document.querySelector("%s")?.dataset.state === "%s"`, tab(user, ".state"), state)
}

// numbers are those of the events in user's tab, oldest first.
func numbers(user, class string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("%s")].map((e) => e.dataset.n).reverse().join(" ")`, tab(user, class))
}

func text(user, class string) string {
	return fmt.Sprintf(`(document.querySelector("%s")?.textContent ?? "")`, tab(user, class))
}

// endings is how often the node ended a connection of user's.
func endings(user string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("%s")].filter((e) => e.textContent.includes("revoked") && e.textContent.startsWith("ended")).length`, tab(user, ".note.bad"))
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
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)

	for _, c := range []struct{ transport, via string }{{"sse", viaKafka}, {"websocket", viaNATS}, {"poll", viaHTTP}} {
		b.open("http://" + p.addrs.Page)
		b.await("both connect", is("ann", "open")+" && "+is("bob", "open"))
		b.click(tab("ann", "label:has([value="+c.transport+"])"))
		b.click("label:has([value=" + c.via + "])")
		b.await(c.transport+" connects", is("ann", "open"))

		b.click("#send")
		b.await(c.via+" reaches "+c.transport, numbers("ann", ".event")+` === "1"`)
		if got := b.eval(text("ann", ".event .type")); got != "order.shipped" {
			t.Errorf("%s: type %q", c.transport, got)
		}

		b.click(tab("ann", ".connect")) // drop
		b.await("she is away", is("ann", "closed"))
		b.click("#send-three")
		b.await("three are sent", `document.getElementById("caption").textContent === "Sent 3."`)
		b.click(tab("ann", ".connect"))
		b.await("she has what she missed", text("ann", ".note.back")+`.endsWith("missed while away: 3")`)
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
		b.await("she is cut", is("ann", "ended")+" && "+text("ann", ".state b")+` === "closed: revoked"`)
		b.click(tab("ann", ".connect"))
		b.await("she is refused", is("ann", "ended")+" && "+endings("ann")+` === 2`)
		if b.eval(is("bob", "open")+` ? "stays" : "gone"`) != "stays" {
			t.Errorf("%s: Bob went with Ann", c.transport)
		}
		b.click(tab("ann", ".renew"))
		b.await("she has a new token", text("ann", ".note")+` === "new token"`)
		b.click(tab("ann", ".connect"))
		b.await("she is back", is("ann", "open"))
		for _, fact := range []string{".twice", ".resets"} {
			if got := b.eval(text("ann", fact)); got != "0" {
				t.Errorf("%s: %s %s, want 0", c.transport, fact, got)
			}
		}
	}
}

// A new token is for the next connection: the one that is open has the old one still.
func TestRevokeTokenTakesTheTokenThatTheConnectionUses(t *testing.T) {
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	b.open("http://" + p.addrs.Page)
	for _, transport := range []string{"sse", "websocket", "poll"} {
		b.click(tab("ann", "label:has([value="+transport+"])"))
		b.await(transport+" connects", is("ann", "open"))
		b.click(tab("ann", ".renew"))
		b.await("the new token waits", text("ann", ".note")+` === "new token, for the next connection"`)
		tokens := strings.Split(b.eval(text("ann", ".session")), ", then ")
		if len(tokens) != 2 || tokens[0] == tokens[1] {
			t.Fatalf("%s: the page shows the tokens %q", transport, tokens)
		}
		b.click(tab("ann", ".revoke"))
		b.await(transport+" is cut", is("ann", "ended")+" && "+text("ann", ".state b")+` === "closed: revoked"`)
		b.click(tab("ann", ".connect"))
		b.await("she is back with the new one", is("ann", "open"))
		if got := b.eval(text("ann", ".session")); got != tokens[1] {
			t.Errorf("%s: she is back with %q, want %q", transport, got, tokens[1])
		}
		b.click(tab("ann", ".connect")) // without a connection it takes what is held
		b.await("she drops", is("ann", "closed"))
		b.click(tab("ann", ".revoke"))
		b.await("it is being revoked", text("ann", ".note")+` === "revoking token `+tokens[1]+`"`)
		b.click(tab("ann", ".connect"))
		b.await("she is refused", is("ann", "ended"))
		b.click(tab("ann", ".renew"))
		b.await("she has another", text("ann", ".note")+` === "new token"`)
		b.click(tab("ann", ".connect"))
		b.await("she is back", is("ann", "open"))
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
