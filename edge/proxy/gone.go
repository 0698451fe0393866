package proxy

import (
	"context"
	"time"

	"weft/edge/httpd"
)

// lookEvery is how often it is looked whether a client has left while its body is not taken,
// by a target that stands still or is slow. Over HTTP/1 net/http knows that only from reading
// to the end of what was sent before.
const lookEvery = 400 * time.Millisecond

// lookAfter begins to look after the client of a request with a body.
func lookAfter(x *exchange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.looking = time.AfterFunc(lookEvery, func() {
		if look(x) {
			x.end(context.Canceled)
		}
	})
}

// look reports whether the client has left, and sees to it that it is looked again if not.
// Once the body is whole net/http listens to the client, and who waits for more of it is
// told by its connection.
func look(x *exchange) (gone bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over || x.ended || !x.body.left() {
		return false
	}
	if !x.body.awaited() && httpd.Gone(x.call.Request) {
		x.gone.Store(true)
		return true
	}
	x.looking.Reset(lookEvery)
	return false
}

// awaited reports whether somebody waits for the client to send more.
func (b *limitedBody) awaited() bool {
	if !b.reading.TryLock() {
		return true
	}
	b.reading.Unlock()
	return false
}

// left reports whether the client has left.
func left(x *exchange) bool { return x.gone.Load() || x.call.Request.Context().Err() != nil }
