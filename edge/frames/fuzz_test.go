package frames

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// A recording is a connection that gorilla/websocket reads from.
type recording struct {
	writeOnlyConn
	from io.Reader
}

// Read implements net.Conn.
func (r *recording) Read(p []byte) (int, error) { return r.from.Read(p) }

// gorillaHears is what gorilla/websocket makes of a client's frames, and the code
// of the close frame that it answers at the end; 0 when it waits for more.
func gorillaHears(t *testing.T, sent []byte) (heard []Message, code int) {
	r := &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
	}}
	hands := &recordedHands{conn: &recording{from: bytes.NewReader(sent)}}
	conn, err := anyHandshake.upgrader.Upgrade(hands, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	hands.conn.wrote = nil
	conn.SetReadLimit(limit)
	conn.SetPingHandler(func(p string) error { heard = append(heard, Message{Ping, []byte(p)}); return nil })
	conn.SetPongHandler(func(p string) error { heard = append(heard, Message{Pong, []byte(p)}); return nil })
	conn.SetCloseHandler(func(c int, _ string) error {
		heard = append(heard, Message{Close, nil})
		code = c
		return nil
	})
	for {
		kind, message, err := conn.ReadMessage()
		switch {
		case err == nil:
			heard = append(heard, Message{byte(kind), message})
		case code != 0:
			return heard, code
		case errors.Is(err, websocket.ErrReadLimit):
			return heard, websocket.CloseMessageTooBig // which it does not always say
		case len(hands.conn.wrote) > 0:
			return heard, int(hands.conn.wrote[2])<<8 | int(hands.conn.wrote[3])
		default:
			return heard, 0
		}
	}
}

// recordedHands hand a recording to gorilla.
type recordedHands struct {
	http.ResponseWriter
	conn *recording
}

// Hijack implements http.Hijacker.
func (h *recordedHands) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// ownHears is the same by a Reader that is given pieces of so many bytes.
func ownHears(sent []byte, size int) (heard []Message, code int, because error) {
	r := Reader{Limit: limit}
	for piece := range slices.Chunk(sent, size) {
		r.Add(piece)
		for {
			d, ok, err := r.Next()
			if err != nil {
				code, _ = CloseFor(err)
				return heard, code, err
			}
			if !ok {
				break
			}
			d.Payload = bytes.Clone(d.Payload)
			if d.Opcode == Close {
				code, err := closeCode(d.Payload)
				if err != nil {
					code, _ = CloseFor(err)
					return heard, code, err
				}
				return append(heard, Message{Close, nil}), code, nil
			}
			heard = append(heard, d)
		}
	}
	return heard, 0, nil
}

// FuzzFrames: the Reader makes of a client's frames what gorilla/websocket makes of
// them, however they are cut. It differs where the RFC is on its side: a text must
// be UTF-8, a reason that is none has a code of its own, half a close code is none,
// 1014 is registered, and what is wrong is told when it shows, which may be before
// the frame is whole.
func FuzzFrames(f *testing.F) {
	for _, sent := range seeds() {
		f.Add(sent, uint8(7))
	}
	f.Fuzz(func(t *testing.T, sent []byte, size uint8) {
		own, code, because := ownHears(sent, max(1, int(size)))
		theirs, theirCode := gorillaHears(t, sent)
		for i, d := range theirs {
			if d.Opcode != Text || utf8.Valid(d.Payload) {
				continue
			}
			if because != errNotUTF8 { // the text may have been refused before its end
				t.Fatalf("% x: the text %q passes", sent, d.Payload)
			}
			theirs, theirCode = theirs[:i], websocket.CloseInvalidFramePayloadData
			break
		}
		switch because {
		case errReasonUTF8:
			if theirCode == websocket.CloseProtocolError {
				theirCode = code
			}
		case errClose:
			if theirCode == websocket.CloseNoStatusReceived { // half a code
				theirs, theirCode = theirs[:len(theirs)-1], code
			}
		case errNotUTF8: // gorilla hears more control frames until the text's end
			theirs, theirCode = theirs[:min(len(own), len(theirs))], code
		case nil:
			if code == 1014 {
				own, theirCode = own[:len(own)-1], code
			}
		default:
			if theirCode == 0 { // gorilla waits for the whole head
				theirCode = code
			}
		}
		if !slices.EqualFunc(own, theirs, func(a, b Message) bool { return a.Opcode == b.Opcode && bytes.Equal(a.Payload, b.Payload) }) {
			t.Errorf("% x: heard %q, by gorilla %q", sent, own, theirs)
		}
		if code != theirCode {
			t.Errorf("% x: answered with %d (%v), by gorilla with %d", sent, code, because, theirCode)
		}
		whole, wholeCode, _ := ownHears(sent, max(1, len(sent)))
		if code != wholeCode || !slices.EqualFunc(own, whole, func(a, b Message) bool { return a.Opcode == b.Opcode && bytes.Equal(a.Payload, b.Payload) }) && code != 1014 {
			t.Errorf("% x: in pieces of %d %q and %d, whole %q and %d", sent, size, own, code, whole, wholeCode)
		}
	})
}
