package edge

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"weft/edge/httpd"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/wire"
)

// retry is after how long a browser reconnects by itself.
const retry = 2 * time.Second

// sse is Server-Sent Events (WHATWG HTML, section 9.2).
type sse struct {
	*Edge
	counts       *transportMetrics
	plain, frame *session.Spelling
}

func newSSE(e *Edge) *sse {
	spelling := func(format wire.Format) *session.Spelling {
		return &session.Spelling{
			Format: format, Limit: int(e.cfg.Public.QueueBytes), Keepalives: &e.alive,
			Closing: func(c session.Cause) []byte { return sseClosing(format, c) },
		}
	}
	return &sse{e, e.metrics.transports[nameSSE], spelling(wire.SSE), spelling(wire.SSEFrame)}
}

func (t *sse) spelling(v *visit) *session.Spelling {
	if v.query.frame {
		return t.frame
	}
	return t.plain
}

func (*sse) name() string { return nameSSE }

func (*sse) speaks(r *http.Request) bool { return accepts(r, "text/event-stream") }

// accepts reports whether the request's Accept names a media type and does not
// refuse it. A wildcard does not count.
func accepts(r *http.Request, media string) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(part, ";")
			if !strings.EqualFold(strings.TrimSpace(name), media) {
				continue
			}
			switch strings.ReplaceAll(params, " ", "") {
			case "q=0", "q=0.0", "q=0.00", "q=0.000":
				continue
			}
			return true
		}
	}
	return false
}

// refuse answers with 200 and a farewell when waiting mends what is wrong: a
// browser ends an EventSource for good on any other status.
func (t *sse) refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	cause, ok := passes(p)
	if !ok {
		problem.Write(w, p)
		return
	}
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(session.GraceKeep))
	sseHead(w, r)
	_, _ = w.Write(wire.Retry(cmp.Or(p.RetryAfter, comeBack(cause))))
	format := sseFormat(r.URL.Query().Get("format") == "frame")
	_, _ = w.Write(format.Control("", wire.TypeClose, farewell(cause, 0)))
	_ = rc.Flush()
	_ = rc.SetWriteDeadline(time.Time{})
}

// sseFormat is what a client asked for with format=frame, or did not.
func sseFormat(frame bool) wire.Format {
	if frame {
		return wire.SSEFrame
	}
	return wire.SSE
}

// sseFields stand in the head of an answer. The last one: who comes back is to
// ask the load balancer, not this node. Over HTTP/2 it would end the other
// streams, too.
var sseFields = [][2]string{
	{"Content-Type", "text/event-stream"},
	{"Cache-Control", "no-cache, no-store"},
	{"X-Accel-Buffering", "no"},
	{"X-Content-Type-Options", "nosniff"},
	{"Connection", "close"},
}

// sseFieldLines are the fields as HTTP/1.1 has them.
var sseFieldLines = func() (lines string) {
	for _, f := range sseFields {
		lines += f[0] + ": " + f[1] + "\r\n"
	}
	return lines
}()

func sseHead(w http.ResponseWriter, r *http.Request) {
	for _, f := range sseFields {
		if r.ProtoMajor == 1 || f[0] != "Connection" {
			w.Header().Set(f[0], f[1])
		}
	}
	w.WriteHeader(http.StatusOK)
}

// sseClosing spells the farewell. Who is sent elsewhere, or must wait, is told
// when to come back, each at another time.
func sseClosing(f wire.Format, c session.Cause) []byte {
	var dst []byte
	switch c {
	case session.Left:
		return nil
	default:
		if back := comeBack(c); back > 0 {
			dst = wire.Retry(back)
		}
	}
	return append(dst, f.Control("", wire.TypeClose, farewell(c, 0))...)
}

// comeBack is when a client that was sent away may come back, each at another
// time; 0 when that is for the client to choose.
func comeBack(c session.Cause) time.Duration {
	switch c {
	case session.Draining, session.NotReady, session.Isolated, session.Limit:
		return problem.Jitter(retry / 2)
	}
	return 0
}

// farewell is the data of weft.close. retry says when to come back where the
// transport has no other word for it; 0 says nothing.
func farewell(c session.Cause, retry time.Duration) []byte {
	data, _ := json.Marshal(struct {
		Reason    string `json:"reason"`
		Reconnect bool   `json:"reconnect"`
		Retry     int64  `json:"retry,omitempty"` // milliseconds, as in SSE
	}{c.Ending().Reason, c.Ending().Reconnect, retry.Milliseconds()})
	return data
}

func (t *sse) serve(w http.ResponseWriter, v *visit) error {
	if httpd.Detachable(w, v.r) {
		return t.park(w, v)
	}
	limit := &deadline{set: http.NewResponseController(w).SetWriteDeadline, timeout: t.cfg.Public.WriteTimeout}
	defer limit.stop()
	pump := session.NewPump(limit.hurry)
	q := session.NewQueue(t.spelling(v), pump)
	pump.Opened = func() { t.counts.connected(v.about.Since) }
	s, err := v.open(t.Edge, q, t.counts, nil)
	if err != nil {
		return err
	}
	defer t.sessions.Close(s)

	send := func(frames [][]byte) error {
		n, err := sendFrames(w, frames, limit)
		t.counts.bytes.Add(float64(n))
		return err
	}
	sseHead(w, v.r)
	if err := send([][]byte{wire.Retry(retry)}); err != nil {
		s.End(lost(err))
		return nil
	}
	if err := t.follow(v, s, func() {}); err != nil {
		s.End(session.Unfollowed(err))
	}
	if err := pump.Run(v.r.Context(), q, send); err != nil {
		s.End(lost(err))
	}
	return nil
}

// park serves a visit without a goroutine once its place is known.
func (t *sse) park(w http.ResponseWriter, v *visit) error {
	p := &parked{}
	if err := p.open(t.Edge, v, t.spelling(v), t.counts, nil); err != nil {
		return err
	}
	defer p.drop()
	p.head = append(httpd.Head(http.StatusOK, w.Header(), sseFieldLines), wire.Retry(retry)...)
	p.begin(w, v, p)
	return nil
}
