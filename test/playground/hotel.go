package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

// What anybody may follow, without a token: the bookings of a hotel.
const (
	hotelSubject = "topic.hotel.42"
	hotelBooked  = "hotel.booked"
)

// rooms are what can be booked.
var rooms = []string{"a double room", "a single room"}

// A booking is what the page of the hotel sends, and what all its visitors are told.
type booking struct {
	Room string `json:"room"`
}

// bookRoom tells all visitors of the hotel's page of a booking.
func (p *page) bookRoom(w http.ResponseWriter, r *http.Request) {
	var b booking
	if !p.read(w, r, &b) {
		return
	}
	if !slices.Contains(rooms, b.Room) {
		p.refuse(w, http.StatusUnprocessableEntity, "unknown room")
		return
	}
	if err := p.back.book(r.Context(), b); err != nil {
		p.log.Error("book a room", "err", err)
		p.refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	p.answer(w, http.StatusOK, map[string]bool{"ok": true})
}

// book publishes a booking to the hotel's topic.
func (p *publisher) book(ctx context.Context, b booking) error {
	q := url.Values{"subject": {hotelSubject}, "type": {hotelBooked}}
	_, err := p.admin(ctx, http.MethodPost, "/_weft/v1/events?"+q.Encode(), "", mustJSON(b))
	return err
}
