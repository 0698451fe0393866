package httpd

import "weft/edge/netpoll"

// maxAhead is how many bytes a client may send before they are asked for.
const maxAhead = 64 << 10

// A ReadBuffer keeps what a client sends before anybody asks for it, for the next
// netpoll.Client of the connection. It is bounded: who sends more waits.
type ReadBuffer struct{ got []byte }

// Receive implements netpoll.Client.
func (b *ReadBuffer) Receive(received []byte) netpoll.Action {
	b.got = append(b.got, received...)
	if len(b.got) > maxAhead {
		return netpoll.Pause
	}
	return netpoll.Go
}

// Rest implements netpoll.Leaver.
func (b *ReadBuffer) Rest() []byte {
	rest := b.got
	b.got = nil
	return rest
}
