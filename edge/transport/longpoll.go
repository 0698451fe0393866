package transport

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"weft/edge/httpd"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/wire"
)

// Poll is the name of long polling.
const Poll = "poll"

// poll is long polling: the fallback for whatever reads plain JSON.
type poll struct {
	*Params
	counts *counters
}

func newPoll(p *Params, _ *wire.Keepalives) Transport { return &poll{p, p.Metrics.counters[Poll]} }

// Name implements Transport.
func (*poll) Name() string { return Poll }

// Speaks implements Transport.
func (*poll) Speaks(*http.Request) bool { return true }

// Refuse answers 503 or 429 with Retry-After when waiting mends what is wrong.
// A client that has a position is told by a node that stops to go on elsewhere.
func (t *poll) Refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	if p.Code == problem.Draining {
		if q, err := ParseQuery(r, t.Takes); err == nil && q.LastID != "" {
			t.write(w, r, &batch{cursor: q.LastID}, session.Draining)
			return
		}
	}
	problem.Write(w, p)
}

// Serve implements Transport.
func (t *poll) Serve(w http.ResponseWriter, c *ConnectRequest) (err error) {
	p := &waiting{t: t, c: c, w: w, buffer: &pollBuffer{format: c.Query.shape.Poll(), past: c.Query.past()}}
	p.buffer.expect(session.Presences(c.Query.Subjects), c.Query.presence, c.Query.LastID == "" && !c.Query.past())
	if p.s, err = t.open(c, p.buffer, t.counts, nil); err != nil {
		p.buffer.take()
		return err
	}
	if err := t.follow(c, p.s, func() {}); err != nil {
		p.s.End(session.Unfollowed(err))
	} else {
		t.counts.connected(c.About.Since)
	}
	switch own := httpd.Of(w); {
	case p.buffer.answers(): // at once: the cursor of who has none is the answer
		p.respond()
	case own != nil:
		p.deferTo(own)
	default:
		p.wait()
		p.respond()
	}
	return nil
}

// A waiting poll holds its request until there is something to answer.
type waiting struct {
	t      *poll
	c      *ConnectRequest
	w      http.ResponseWriter
	buffer *pollBuffer
	s      *session.Session
}

// wait returns when the buffer has something, the time is up or the session ended.
func (p *waiting) wait() {
	ready := make(chan struct{})
	p.buffer.await(func() { close(ready) })
	timer := time.NewTimer(p.c.Query.wait)
	defer timer.Stop()
	select {
	case <-ready:
	case <-timer.C:
		p.buffer.hurry()
		select {
		case <-ready:
		case <-p.c.R.Context().Done():
			p.s.End(session.Left)
		}
	case <-p.c.R.Context().Done():
		p.s.End(session.Left)
	}
}

// respond responds with what was gathered. The session has been closed before: whoever
// has read the response is not connected any more.
func (p *waiting) respond() {
	if p.buffer.quiet() {
		p.s.Beat() // the cursor moves although nothing came
	}
	got, cause := p.buffer.take(), p.s.Cause() // before leaving, which drops what is queued
	if own := httpd.Of(p.w); own != nil {
		own.OnSent(p.t.Sessions.Hold()) // the edge stays until the response is sent
	}
	p.t.Sessions.Close(p.s)
	if code := cause.Ending().Code; code != "" {
		told := problem.New(code, cause.Ending().Detail+saying(got.detail))
		if back := comeBack(cause); back > 0 {
			told = told.Retry(back)
		}
		problem.Write(p.w, told)
		return
	}
	if got.cursor == "" { // it has ended before its place was known
		if got.cursor = p.c.Query.LastID; got.cursor == "" {
			problem.Write(p.w, problem.New(problem.NotReady, "the poll has ended before it could begin; come back").RetrySoon())
			return
		}
		got.presence, got.presenceID = nil, ""
	}
	p.t.write(p.w, p.c.R, got, cause)
}

// deferTo makes the poll wait without a goroutine.
func (p *waiting) deferTo(own *httpd.Response) {
	held := &deferredPoll{waiting: p, own: own}
	own.Defer(held)
	held.timer = time.AfterFunc(2*maxWait, p.buffer.hurry) // not before it is known
	held.timer.Reset(p.c.Query.wait)
	p.buffer.await(held.finish)
}

// A deferredPoll is the netpoll.Client of a connection whose poll waits.
type deferredPoll struct {
	*waiting
	httpd.Waiting
	own   *httpd.Response
	timer *time.Timer
	done  atomic.Bool
}

// finish answers, the first time that it is called. It does not block.
func (p *deferredPoll) finish() {
	if !p.done.Swap(true) {
		p.timer.Stop()
		p.own.Finish(p.respond)
	}
}

// Closed implements netpoll.Client.
func (p *deferredPoll) Closed(error) { p.s.End(session.Left) }

// What a response is made of beside its events.
var pollBegin, comma, pollEnd, newline = []byte(`{"events":[`), []byte(","), []byte("]"), []byte("\n")

// write answers with what was gathered. The events are not copied: who is slow to
// take many of them holds no memory that others do not share.
func (t *poll) write(w http.ResponseWriter, r *http.Request, b *batch, cause session.Cause) {
	frames := append(make([][]byte, 0, 3*len(b.events)+2), pollBegin)
	for i, e := range b.events {
		if i > 0 {
			frames = append(frames, comma)
		}
		frames = append(frames, e.head, e.rest)
	}
	var closing json.RawMessage
	if b.detail != "" { // of those who may come back: the others are told by a problem
		closing = farewell(cause, b.detail, 0)
	}
	tail, _ := json.Marshal(struct {
		LastEventID string            `json:"last_event_id"`
		Reset       bool              `json:"reset"`
		Resets      []json.RawMessage `json:"resets,omitempty"`
		Close       json.RawMessage   `json:"close,omitempty"`
		Presence    []json.RawMessage `json:"presence,omitzero"`
		PresenceID  string            `json:"presence_id,omitempty"`
	}{b.cursor, b.reset, b.resets, closing, b.presence, b.presenceID})
	tail[0] = ',' // it goes on
	frames = append(frames, slices.Concat(pollEnd, tail, newline))
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	if cause == session.Draining && r.ProtoMajor == 1 {
		head.Set("Connection", "close")
	}
	t.counts.bytes.Add(float64(t.send(w, frames)))
}

// send writes the body of a response and returns how much of it was taken.
func (t *poll) send(w http.ResponseWriter, frames [][]byte) int {
	if own := httpd.Of(w); own != nil {
		return own.WriteFrames(frames)
	}
	limit := &deadline{set: http.NewResponseController(w).SetWriteDeadline, timeout: t.WriteTimeout}
	defer limit.stop()
	n, _ := sendFrames(w, frames, limit) // who has left hears nothing of it
	return n
}
