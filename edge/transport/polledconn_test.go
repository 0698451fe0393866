package transport

import (
	"bytes"
	"testing"

	"weft/edge/session"
	"weft/edge/wire"
	"weft/jetstream/feed"
)

// A session may be cut before anything was written; what is queued is dropped then.
func TestAnAnswerHasItsHeadAlsoWhenTheSessionIsCutAtOnce(t *testing.T) {
	p := &polledConn{head: []byte("HTTP/1.1 200 OK\r\n\r\n")}
	p.q = session.NewQueue(&session.Spelling{
		Format: wire.SSE, Limit: 1 << 20, Keepalives: &wire.Keepalives{},
		Closing: func(session.Cause, string) []byte { return []byte("bye") },
	}, p)
	p.q.Append(&feed.Message{Subject: "user.ann"}, nil, []byte("a secret"))
	p.q.End(session.Revoked, "")
	frames, last := p.Take()
	if got := string(bytes.Join(frames, nil)); got != "HTTP/1.1 200 OK\r\n\r\nbye" || !last {
		t.Errorf("sent %q, the last: %v", got, last)
	}
	if frames, _ := p.Take(); len(frames) != 0 {
		t.Errorf("sent %q again", frames)
	}
}
