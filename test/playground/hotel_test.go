package main

import (
	"net/http"
	"testing"

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

// The third panel of the page: visitors who have signed in nowhere see a booking, in
// whichever tab it was made.
func TestVisitorsOfTheHotelSeeEachOthersBookings(t *testing.T) {
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	b.open("http://" + p.addrs.Page)
	b.await("the hotel in its frame", `document.querySelector("iframe").contentDocument.body?.dataset.open === "yes"`)
	other := b.tab("http://" + p.addrs.Page + "/hotel.html")
	other.await("the page", `document.body.dataset.open === "yes"`)

	booked := "Somebody has booked a single room."
	b.await("a booking is seen in both", `(document.querySelector("iframe").contentDocument.querySelector("[value='a single room']").click(), true)`)
	b.await("the frame shows it", framed("bookings")+` === "`+booked+`"`)
	other.await("the tab shows it", `document.getElementById("bookings").textContent === "`+booked+`"`)
	other.click("#book [value='a double room']")
	b.await("the frame shows the second", framed("bookings")+` === "Somebody has booked a double room.`+booked+`"`)
}
