package transport

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"weft/edge/access"
	"weft/edge/frames"
	"weft/edge/httpd"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/wire"
)

// WebSocket is the name of RFC 6455.
const WebSocket = "websocket"

// Linger is how long the connection stays open after our close frame, so that
// the client can read it and answer.
const Linger = 500 * time.Millisecond

// webSocket is RFC 6455 without extensions. Package frames makes the
// handshake. What a client says is read by its dialogue, also where a goroutine
// does it; all that is written comes from the session's queue, so that there is
// one writer and frames can be shared.
type webSocket struct {
	*Params
	counts    *counters
	spellings spellings
}

func newWebSocket(p *Params, shared *wire.Keepalives) Transport {
	return &webSocket{p, p.Metrics.counters[WebSocket], newSpellings(p, shared, wire.Shape.WebSocket, webSocketClosing)}
}

// longestSilence is how long a client may say nothing, or take for one message: as long as
// it takes until a pong is asked for, two keep-alives to answer, and a second, in which
// it is counted.
func (t *webSocket) longestSilence() time.Duration {
	return (session.PingEvery+2)*t.Keepalive + time.Second
}

// Name implements Transport.
func (*webSocket) Name() string { return WebSocket }

// Speaks implements Transport.
func (*webSocket) Speaks(r *http.Request) bool { return frames.Asked(r) }

// handshake never echoes bearer.<jwt>, which a browser offers beside its protocol.
var handshake = frames.NewHandshake([]string{access.Protocol}, func(w http.ResponseWriter, status int, detail string) {
	p := problem.New(problem.BadRequest, detail)
	p.Status = status
	problem.Write(w, p)
})

// Refuse spells what is also an ending as one, by weft.close and a close code
// after the handshake: a page cannot see the status of a handshake that failed.
// All else, which is wrong with the request itself, is a status.
func (t *webSocket) Refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	cause, ok := causes[p.Code]
	if !ok {
		problem.Write(w, p)
		return
	}
	conn, _, head, err := upgrade(w, r)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(Linger))
	if _, err := conn.Write(append(head, webSocketFarewell(shapeOf(r).WebSocket(), cause, "", p.RetryAfter)...)); err == nil {
		closeWrite(conn)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// webSocketClosing spells the farewell: weft.close for the page's code, the
// close frame for everybody's.
func webSocketClosing(f wire.Format, c session.Cause, detail string) []byte {
	if c == session.Left {
		return nil
	}
	return webSocketFarewell(f, c, detail, comeBack(c))
}

// webSocketFarewell has in its close frame what an operator says, where there is that: a
// tool that shows the frame shows it to a person.
func webSocketFarewell(f wire.Format, c session.Cause, detail string, retry time.Duration) []byte {
	bye := f.Control("", wire.TypeClose, farewell(c, detail, retry))
	return append(bye, wire.Close(c.Ending().Close, cmp.Or(detail, c.Ending().Reason))...)
}

// Serve implements Transport.
func (t *webSocket) Serve(w http.ResponseWriter, c *ConnectRequest) error {
	if httpd.Detachable(w, c.R) {
		return t.servePolled(w, c)
	}
	limit := &deadline{timeout: t.WriteTimeout, set: func(time.Time) error { return nil }}
	pump := session.NewPump(limit.hurry)
	q := session.NewQueue(t.spellings[c.Query.shape], pump)
	d := &dialogue{}
	d.begin(t)
	pump.Opened = func() { t.counts.connected(c.About.Since) }
	s, err := t.open(c, q, t.counts, d.alive)
	if err != nil {
		return err
	}
	defer t.Sessions.Close(s)
	conn, early, head, err := upgrade(w, c.R)
	if err != nil {
		s.End(session.Left)
		return nil
	}
	limit.attach(conn.SetWriteDeadline)
	if _, err := writeFrames(conn, [][]byte{head}, limit); err != nil {
		s.End(lost(err))
		_ = conn.Close()
		return nil
	}
	d.hear()

	var reading sync.WaitGroup
	reading.Go(func() {
		d.read(conn, early, s, q)
		s.End(session.Left)
	})
	if err := t.follow(c, s, func() {}); err != nil {
		s.End(session.Unfollowed(err))
	}
	err = pump.Run(c.R.Context(), q, func(frames [][]byte) error {
		n, err := writeFrames(conn, frames, limit)
		t.counts.bytes.Add(float64(n))
		return err
	})
	limit.stop()
	if err != nil {
		s.End(lost(err))
	} else { // closing at once could throw away what the client has not read yet
		closeWrite(conn)
		defer time.AfterFunc(Linger, func() { _ = conn.Close() }).Stop()
		reading.Wait()
	}
	_ = conn.Close()
	reading.Wait()
	return nil
}

// upgrade makes the handshake that r asks for and takes the connection out of
// everybody's hands, with what the client has sent behind its request. head is the
// answer, which is not written yet. What is wrong with the request is told to w.
func upgrade(w http.ResponseWriter, r *http.Request) (conn net.Conn, early, head []byte, err error) {
	if head, err = handshake.Answer(w, r); err != nil {
		return nil, nil, nil, err
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, httpd.Buffered(rw.Reader), head, nil
}

// closeWrite tells the other side that nothing more comes.
func closeWrite(conn net.Conn) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok { // as TCP's and TLS's are
		_ = c.CloseWrite()
	}
}
