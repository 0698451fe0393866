package transport

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"weft/edge/httpd"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/wire"
)

// SSE is the name of Server-Sent Events.
const SSE = "sse"

// sse is Server-Sent Events (WHATWG HTML, section 9.2).
type sse struct {
	*Params
	counts    *counters
	spellings spellings
}

func newSSE(p *Params, shared *wire.Keepalives) Transport {
	return &sse{p, p.Metrics.counters[SSE], newSpellings(p, shared, wire.Shape.SSE, sseClosing)}
}

// Name implements Transport.
func (*sse) Name() string { return SSE }

// Speaks implements Transport.
func (*sse) Speaks(r *http.Request) bool { return accepts(r, "text/event-stream") }

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

// Refuse answers with 200 and a farewell when waiting mends what is wrong: a
// browser ends an EventSource for good on any other status.
func (t *sse) Refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	cause, ok := passes(p)
	if !ok {
		problem.Write(w, p)
		return
	}
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(session.GraceKeep))
	sseHead(w, r)
	_, _ = w.Write(sseFarewell(shapeOf(r).SSE(), cause, "", cmp.Or(p.RetryAfter, comeBack(cause))))
	_ = rc.Flush()
	_ = rc.SetWriteDeadline(time.Time{})
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
func sseClosing(f wire.Format, c session.Cause, detail string) []byte {
	if c == session.Left {
		return nil
	}
	return sseFarewell(f, c, detail, comeBack(c))
}

func sseFarewell(f wire.Format, c session.Cause, detail string, retry time.Duration) []byte {
	return f.ControlRetry(retry, "", wire.TypeClose, farewell(c, detail, 0))
}

// Serve implements Transport.
func (t *sse) Serve(w http.ResponseWriter, c *ConnectRequest) error {
	if httpd.Detachable(w, c.R) {
		return t.servePolled(w, c)
	}
	limit := &deadline{set: http.NewResponseController(w).SetWriteDeadline, timeout: t.WriteTimeout}
	defer limit.stop()
	pump := session.NewPump(limit.hurry)
	q := session.NewQueue(t.spellings[c.Query.shape], pump)
	pump.Opened = func() { t.counts.connected(c.About.Since) }
	s, err := t.open(c, q, t.counts, nil)
	if err != nil {
		return err
	}
	defer t.Sessions.Close(s)

	send := func(frames [][]byte) error {
		n, err := sendFrames(w, frames, limit)
		t.counts.bytes.Add(float64(n))
		return err
	}
	sseHead(w, c.R)
	if err := send(nil); err != nil { // the head
		s.End(lost(err))
		return nil
	}
	if err := t.follow(c, s, func() {}); err != nil {
		s.End(session.Unfollowed(err))
	}
	if err := pump.Run(c.R.Context(), q, send); err != nil {
		s.End(lost(err))
	}
	return nil
}

// servePolled serves a request without a goroutine once its position is known.
func (t *sse) servePolled(w http.ResponseWriter, c *ConnectRequest) error {
	p := &polledConn{}
	if err := p.open(t.Params, c, t.spellings[c.Query.shape], t.counts, nil); err != nil {
		return err
	}
	defer p.drop()
	p.head = httpd.Head(http.StatusOK, w.Header(), sseFieldLines)
	p.begin(w, c, p)
	return nil
}
