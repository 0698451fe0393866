package main

import (
	"fmt"
	"testing"
	"time"
)

// inSight is true when all of what the selector finds first can be seen.
func inSight(selector string) string {
	return fmt.Sprintf(`((e) => {
		if (!e) return false;
		const r = e.getBoundingClientRect();
		const at = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
		return r.width > 0 && r.top >= 0 && r.left >= 0 && r.bottom <= innerHeight && r.right <= innerWidth && (e === at || e.contains(at));
	})(document.querySelector("%s"))`, selector)
}

// Whoever sends sees what arrives, without scrolling.
func TestOnAPhoneTheNewestEventIsInSightOfSend(t *testing.T) {
	t.Parallel()
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	b.resize(375, 667)
	b.open("http://" + p.addrs.Page)
	b.await("both connect", is("ann", "open")+" && "+is("bob", "open"))
	send := func(user, to, numbersOf string) {
		t.Helper()
		b.click("label:has([name=to][value=" + to + "])")
		b.click("#send")
		b.await(user+" has it", numbers(user, ".event")+` === "`+numbersOf+`"`)
		newest := tab(user, ".event[data-n='"+numbersOf[len(numbersOf)-1:]+"']")
		b.await("what was sent to "+to+" is in sight with Send", inSight("#send")+" && "+inSight(newest))
	}
	send("ann", "ann", "1")
	send("bob", "bob", "2")
	send("ann", topicName, "1 3")
	b.spoil("ann", netGone) // she drops, and comes back: a remark stands above what she missed
	b.await("she is away", is("ann", "waiting"))
	b.click("#send")
	b.await("it is sent", `document.getElementById("caption").textContent === "Sent."`)
	b.spoil("ann", netWorks)
	b.awaitFor(time.Minute, "she has what she missed", text("ann", ".note.back")+`.endsWith("missed while away: 1")`)
	send("ann", "ann", "1 3 4 5")
	if wide := b.eval(`document.documentElement.scrollWidth > innerWidth ? "wide" : ""`); wide != "" {
		t.Error("the page is wider than the phone")
	}
}
