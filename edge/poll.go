package edge

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/feed"
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
		if q, err := parseQuery(r); err == nil && q.lastID != "" {
			t.write(w, r, &harvest{cursor: q.lastID}, session.Draining)
			return
		}
	}
	problem.Write(w, p)
}

func (t *poll) serve(w http.ResponseWriter, v *visit) {
	defer v.release()
	box := newBox()
	s := v.session(box, t.counts, nil)
	if err := t.enter(s); err != nil {
		t.refuse(w, v.r, problem.Of(err))
		return
	}
	got, cause := t.gather(v, s, box)
	if code := cause.Ending().Code; code != "" {
		p := problem.New(code, cause.Ending().Detail)
		if back := comeBack(cause); back > 0 {
			p = p.Retry(back)
		}
		problem.Write(w, p)
		return
	}
	t.write(w, v.r, got, cause)
}

// gather follows until there is something to answer with, or nothing more to
// wait for. The session has been left when it returns: whoever has read the
// answer is not connected any more.
func (t *poll) gather(v *visit, s *session.Session, box *box) (*harvest, session.Cause) {
	defer t.leave(s)
	if err := t.follow(v, s); err != nil {
		s.End(session.NotReady)
	} else if v.query.lastID != "" { // else its cursor is the answer
		t.wait(v, s, box)
	}
	cause := session.Left
	select {
	case <-s.Done():
		cause = s.Cause()
	default:
	}
	return box.harvest(), cause // before leaving, which drops what is queued
}

// wait returns when the box has something, the time is up or the session ended.
func (t *poll) wait(v *visit, s *session.Session, box *box) {
	timer := time.NewTimer(v.query.wait)
	defer timer.Stop()
	select {
	case <-box.ready:
	case <-timer.C:
		s.Beat() // the cursor moves although nothing came
	case <-s.Done():
	case <-v.r.Context().Done():
		s.End(session.Left)
	}
}

// write answers with what was gathered.
func (t *poll) write(w http.ResponseWriter, r *http.Request, h *harvest, cause session.Cause) {
	var body bytes.Buffer
	body.WriteString(`{"events":[`)
	for i, e := range h.events {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(e.head)
		body.Write(e.rest)
	}
	tail, _ := json.Marshal(struct {
		LastEventID string       `json:"last_event_id"`
		Reset       bool         `json:"reset"`
		Resets      []feed.Reset `json:"resets,omitempty"`
	}{h.cursor, h.reset, h.resets})
	body.WriteString(`],`)
	body.Write(tail[1:])
	body.WriteByte('\n')
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	if cause == session.Draining && r.ProtoMajor == 1 {
		head.Set("Connection", "close")
	}
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(t.cfg.Public.WriteTimeout))
	n, _ := w.Write(body.Bytes())
	_ = rc.Flush()
	_ = rc.SetWriteDeadline(time.Time{})
	t.counts.bytes.Add(float64(n))
}
