package edge

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"weft/edge/httpd"
	"weft/edge/problem"
	"weft/edge/session"
)

// poll is long polling: the fallback for whatever reads plain JSON.
type poll struct {
	*Edge
	counts *transportMetrics
}

func (*poll) name() string { return namePoll }

func (*poll) speaks(*http.Request) bool { return true }

// refuse answers 503 or 429 with Retry-After when waiting mends what is wrong.
// A client that has its place is told by a node that stops to go on elsewhere.
func (t *poll) refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	if p.Code == problem.Draining {
		if q, err := parseQuery(r, t.takes.events); err == nil && q.lastID != "" {
			t.write(w, r, &harvest{cursor: q.lastID}, session.Draining)
			return
		}
	}
	problem.Write(w, p)
}

func (t *poll) serve(w http.ResponseWriter, v *visit) (err error) {
	p := &waiting{t: t, v: v, w: w, box: &box{}}
	if p.s, err = v.open(t.Edge, p.box, t.counts, nil); err != nil {
		return err
	}
	if err := t.follow(v, p.s, func() {}); err != nil {
		p.s.End(session.Unfollowed(err))
	} else {
		t.counts.connected(v.about.Since)
	}
	switch own := httpd.Of(w); {
	case v.query.lastID == "": // its cursor is the answer
		p.answer()
	case own != nil:
		p.park(own)
	default:
		p.wait()
		p.answer()
	}
	return nil
}

// A waiting poll holds its request until there is something to answer.
type waiting struct {
	t   *poll
	v   *visit
	w   http.ResponseWriter
	box *box
	s   *session.Session
}

// wait returns when the box has something, the time is up or the session ended.
func (p *waiting) wait() {
	ready := make(chan struct{})
	p.box.await(func() { close(ready) })
	timer := time.NewTimer(p.v.query.wait)
	defer timer.Stop()
	select {
	case <-ready:
	case <-timer.C:
		p.s.Beat() // the cursor moves although nothing came
	case <-p.v.r.Context().Done():
		p.s.End(session.Left)
	}
}

// answer answers with what was gathered. The session has been left before: whoever
// has read the answer is not connected any more.
func (p *waiting) answer() {
	got, cause := p.box.harvest(), p.s.Cause() // before leaving, which drops what is queued
	if own := httpd.Of(p.w); own != nil {
		own.OnSent(p.t.sessions.Hold()) // the edge stays until the answer is sent
	}
	p.t.sessions.Close(p.s)
	if code := cause.Ending().Code; code != "" {
		told := problem.New(code, cause.Ending().Detail)
		if back := comeBack(cause); back > 0 {
			told = told.Retry(back)
		}
		problem.Write(p.w, told)
		return
	}
	p.t.write(p.w, p.v.r, got, cause)
}

// park makes the poll wait without a goroutine.
func (p *waiting) park(own *httpd.Response) {
	held := &parkedPoll{waiting: p, own: own}
	own.Defer(held)
	held.timer = time.AfterFunc(2*maxWait, func() { // not before it is known
		p.s.Beat()
		held.finish()
	})
	held.timer.Reset(p.v.query.wait)
	p.box.await(held.finish)
}

// A parkedPoll is the netpoll.Client of a connection whose poll waits.
type parkedPoll struct {
	*waiting
	httpd.Waiting
	own   *httpd.Response
	timer *time.Timer
	done  atomic.Bool
}

// finish answers, the first time that it is called. It does not block.
func (p *parkedPoll) finish() {
	if !p.done.Swap(true) {
		p.timer.Stop()
		p.own.Finish(p.answer)
	}
}

// Closed implements netpoll.Client.
func (p *parkedPoll) Closed(error) { p.s.End(session.Left) }

// What an answer is made of beside its events.
var pollBegin, comma, pollEnd, newline = []byte(`{"events":[`), []byte(","), []byte("]"), []byte("\n")

// write answers with what was gathered. The events are not copied: who is slow to
// take many of them holds no memory that others do not share.
func (t *poll) write(w http.ResponseWriter, r *http.Request, h *harvest, cause session.Cause) {
	frames := append(make([][]byte, 0, 3*len(h.events)+2), pollBegin)
	for i, e := range h.events {
		if i > 0 {
			frames = append(frames, comma)
		}
		frames = append(frames, e.head, e.rest)
	}
	tail, _ := json.Marshal(struct {
		LastEventID string            `json:"last_event_id"`
		Reset       bool              `json:"reset"`
		Resets      []json.RawMessage `json:"resets,omitempty"`
	}{h.cursor, h.reset, h.resets})
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

// send writes the body of an answer and returns how much of it was taken.
func (t *poll) send(w http.ResponseWriter, frames [][]byte) int {
	if own := httpd.Of(w); own != nil {
		return own.WriteFrames(frames)
	}
	limit := &deadline{set: http.NewResponseController(w).SetWriteDeadline, timeout: t.cfg.Public.WriteTimeout}
	defer limit.stop()
	n, _ := sendFrames(w, frames, limit) // who has left hears nothing of it
	return n
}
