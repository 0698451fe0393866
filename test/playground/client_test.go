package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// quick is the life of tokens where a test watches them being replaced. Half of it is left for
// that, on a busy machine, too.
const quick = 10 * time.Second

// While Ann's network lets less and less through, and Bob's says nothing any more, each event
// comes once, by whichever transport is left.
func TestTheNetworkIsSpoiltAndNothingIsLost(t *testing.T) {
	t.Parallel()
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	b.open("http://" + p.addrs.Page)
	b.await("both connect", by("ann", "websocket")+" && "+by("bob", "websocket"))
	b.click("label:has([name=to][value=" + topicName + "])")

	b.spoil("ann", netNoUpgrade)
	b.click("#send")
	b.awaitFor(time.Minute, "she has it by SSE", by("ann", "sse")+" && "+numbers("ann", ".event")+` === "1"`)
	b.await("he has it, too", numbers("bob", ".event")+` === "1"`)

	b.spoil("ann", netBuffers)
	b.spoil("bob", netStalls)
	b.click("#send")
	b.awaitFor(time.Minute, "she has it by long poll", by("ann", "poll")+" && "+numbers("ann", ".event")+` === "1 2"`)
	b.awaitFor(time.Minute, "he knows that nothing is heard", `!(`+is("bob", "open")+`)`)
	if got := b.eval(numbers("bob", ".event")); got != "1" {
		t.Errorf("Bob has %q through a network that stalls", got)
	}

	b.spoil("ann", netWorks)
	b.spoil("bob", netWorks)
	b.click("#send")
	b.awaitFor(2*time.Minute, "all is here", numbers("ann", ".event")+` === "1 2 3" && `+numbers("bob", ".event")+` === "1 2 3"`)
	b.awaitFor(4*time.Minute, "both go back to what is better", by("ann", "websocket")+" && "+by("bob", "websocket"))
	for _, user := range users {
		for _, fact := range []string{".twice", ".resets"} {
			if got := b.eval(text(user, fact)); got != "0" {
				t.Errorf("%s: %s %s, want 0", user, fact, got)
			}
		}
	}
}

// ended counts the remarks that a connection has ended.
func ended(user string) string {
	return fmt.Sprintf(`document.querySelectorAll("%s").length`, tab(user, ".note.bad"))
}

func TestTokensAreReplacedInSightAndNothingBreaks(t *testing.T) {
	t.Parallel()
	p := openPlayground(t, options{wish: anyPort, life: quick})
	b := openBrowser(t)
	b.open("http://" + p.addrs.Page)
	b.click(tab("bob", "label:has([value=poll])"))
	b.await("both connect", by("ann", "websocket")+" && "+by("bob", "poll"))
	const refreshed = `Number(document.querySelector("%s").textContent.match(/refreshed (\d+)/)?.[1]) >= 2`
	for _, user := range users {
		b.awaitFor(time.Minute, user+"'s token is replaced", fmt.Sprintf(refreshed, tab(user, ".life")))
		if got := b.eval(`String(` + ended(user) + `)`); got != "0" {
			t.Errorf("%s was not connected %s times", user, got)
		}
	}
	b.click("label:has([name=to][value=" + topicName + "])")
	b.click("#send")
	b.await("both have an event", numbers("ann", ".event")+` === "1" && `+numbers("bob", ".event")+` === "1"`)
}

// Whoever opens the page sees the story first, and it comes to its end by itself. The code that
// is shown is what runs.
func TestTheStoryIsSeenFirstAndPlaysBesideItsCode(t *testing.T) {
	t.Parallel()
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	for _, v := range viewports {
		b.resize(v.width, v.height)
		b.open("http://" + p.addrs.Page)
		b.await("both connect", is("ann", "open")+" && "+is("bob", "open"))
		if b.eval(`scrollY === 0 && `+inSight("#story")+` ? "seen" : ""`) != "seen" {
			t.Errorf("on %s the story is out of sight", v.name)
		}
		first := b.eval(`[...document.querySelectorAll("button, a, input, select")].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height > 0)
			.sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top).find((e) => e.tagName !== "A").id`)
		if first != "story" {
			t.Errorf("on %s %q comes before the story", v.name, first)
		}
		larger := b.eval(`[...document.querySelectorAll("button.primary")].sort((a, b) => b.offsetWidth * b.offsetHeight - a.offsetWidth * a.offsetHeight)[0].id`)
		if larger != "story" {
			t.Errorf("on %s %q is larger than the story", v.name, larger)
		}
	}
	theCode(t, b)
	b.click("#story")
	b.await("the words are in sight", `(scrollTo(0, 400), `+inSight("#caption")+`)`)
	b.awaitFor(3*time.Minute, "the story ends", `document.getElementById("caption").textContent.startsWith("That is the story") || document.querySelector("#caption.failed") !== null`)
	if got := b.eval(`document.getElementById("caption").textContent`); !strings.HasPrefix(got, "That is the story") {
		t.Fatalf("the story says: %s", got)
	}
	if got := b.eval(numbers("ann", ".event.missed")); got != "2 3 4" {
		t.Errorf("Ann missed %q, want 2 3 4", got)
	}
	if ann, bob := b.eval(numbers("ann", ".event")), b.eval(numbers("bob", ".event")); ann != "1 2 3 4 5" || bob != "5" {
		t.Errorf("Ann has %q, Bob %q", ann, bob)
	}
}

// theCode holds what the page shows of it to what it has loaded, and to be short.
func theCode(t *testing.T, b *browser) {
	t.Helper()
	ran, err := os.ReadFile("page/follow.js")
	if err != nil {
		t.Fatal(err)
	}
	if shown := b.eval(`document.getElementById("code").textContent`); shown != string(ran) {
		t.Errorf("the page shows\n%s", shown)
	}
	if lines := strings.Count(string(ran), "\n"); lines > 30 {
		t.Errorf("%d lines are not short", lines)
	}
	loaded := b.eval(`JSON.stringify(performance.getEntriesByType("resource").map((e) => new URL(e.name).pathname))`)
	var paths []string
	if err := json.Unmarshal([]byte(loaded), &paths); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/follow.js", "/_weft/v1/client.js"} {
		if !strings.Contains(strings.Join(paths, " ")+" ", want+" ") {
			t.Errorf("the page has not loaded %s, but %v", want, paths)
		}
	}
}
