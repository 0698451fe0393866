package main

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

func TestOnlyRoomsThatTheHotelHasAreBooked(t *testing.T) {
	back := &recorder{}
	p := testPage(back)
	for body, status := range map[string]int{`{"room":"a single room"}`: 200, `{"room":"<b>all</b>"}`: 422, `{}`: 422, `room=1`: 400} {
		if w := ask(t, p, http.MethodPost, "/api/book", body, nil); w.Code != status {
			t.Errorf("%s: status %d, want %d", body, w.Code, status)
		}
	}
	if len(back.booked) != 1 || back.booked[0].Room != "a single room" {
		t.Errorf("booked: %v", back.booked)
	}
}

// tab opens one more tab of the browser.
func (b *browser) tab(url string) *browser {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	other := &browser{b.t, ctx}
	other.open(url)
	return other
}

// framed is what the frame of the hotel shows in an element.
func framed(id string) string {
	return `(document.querySelector("iframe").contentDocument.getElementById("` + id + `")?.textContent ?? "")`
}

// people is true when the hotel's page in document says how many look at it.
func people(document string, n int) string {
	text := fmt.Sprintf("%d people are looking at this", n)
	if n == 1 {
		text = "1 person is looking at this"
	}
	return fmt.Sprintf(`%s.getElementById("looking")?.textContent === %q`, document, text)
}

// The third panel of the page: visitors who have signed in nowhere see how many they are,
// and a booking, in whichever tab it was made.
func TestVisitorsOfTheHotelSeeHowManyTheyAreAndWhatIsBooked(t *testing.T) {
	t.Parallel()
	const frame = `document.querySelector("iframe").contentDocument`
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	b.open("http://" + p.addrs.Page)
	b.await("the visitor in the frame is alone", people(frame, 1))
	others := []*browser{b.tab("http://" + p.addrs.Page + "/hotel.html"), b.tab("http://" + p.addrs.Page + "/hotel.html")}
	for _, o := range append(others, b) {
		document := "document"
		if o == b {
			document = frame
		}
		o.await("three look at it", people(document, 3))
	}
	b.eval(`(` + frame + `.querySelector("[value='a single room']").click(), "")`)
	booked := "Somebody has booked a single room"
	b.await("the frame shows the booking", framed("bookings")+` === "`+booked+`"`)
	for _, o := range others {
		o.await("the tab shows the booking", `document.getElementById("bookings").textContent === "`+booked+`"`)
	}
	others[0].click("#book [value='a double room']")
	b.await("the frame shows the second", framed("bookings")+` === "Somebody has booked a double room`+booked+`"`)

	late := b.tab("http://" + p.addrs.Page + "/hotel.html")
	late.await("who comes late sees both", `document.querySelectorAll("#bookings li").length === 2`)
	late.open("about:blank")

	others[0].open("about:blank")
	others[1].awaitFor(time.Minute, "two look at it", people("document", 2))
	b.await("two look at it", people(frame, 2))
}

// What docs/browser-plain.md has for such a page is what the page does.
func TestThePageOfTheHotelIsThatOfTheDocs(t *testing.T) {
	page, err := assets.ReadFile("page/hotel.js")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(page), "// ----\n")
	docs, err := os.ReadFile("../../docs/browser-plain.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) != 3 {
		t.Fatalf("the page has %d parts", len(parts))
	}
	shown := regexp.MustCompile(`(?m)^(.)`).ReplaceAllString(parts[1], "    $1")
	shown = strings.Replace(shown, `new EventSource(weft + "`, `new EventSource("https://events.example.com`, 1)
	if !strings.Contains(string(docs), shown) {
		t.Errorf("docs/browser-plain.md does not show\n%s", shown)
	}
}
