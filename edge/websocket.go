package edge

import (
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"weft/edge/admit"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/wire"
)

// linger is how long the connection stays open after our close frame, so that
// the client can read it and answer.
const linger = 500 * time.Millisecond

// webSocket is RFC 6455 without extensions. gorilla/websocket makes the
// handshake and reads; all that is written comes from the session's queue, so
// that there is one writer and frames can be shared. Only when a client breaks
// the protocol does gorilla write a close frame by itself, as the last thing.
type webSocket struct {
	*Edge
	counts   *transportMetrics
	spelling *session.Spelling
}

func newWebSocket(e *Edge) *webSocket {
	return &webSocket{e, e.metrics.transports[nameWebSocket], &session.Spelling{
		Format: wire.WebSocket, Limit: int(e.cfg.Public.QueueBytes), Keepalives: &e.alive, Closing: webSocketClosing,
	}}
}

// patience is how long a client may say nothing, or take for one message: as long as
// it takes until a pong is asked for, two keep-alives to answer, and a second, in which
// it is counted.
func (t *webSocket) patience() time.Duration {
	return (session.PingEvery+2)*t.cfg.Public.Keepalive + time.Second
}

func (*webSocket) name() string { return nameWebSocket }

func (*webSocket) speaks(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

var upgrader = websocket.Upgrader{
	HandshakeTimeout: 10 * time.Second,
	ReadBufferSize:   128, // a connection keeps it; a message is larger, or not
	WriteBufferPool:  &sync.Pool{},
	// bearer.<jwt>, which a browser offers beside it, is never echoed.
	Subprotocols: []string{admit.Protocol},
	// The origin was judged before, with that of all requests.
	CheckOrigin: func(*http.Request) bool { return true },
	Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
		p := problem.New(problem.BadRequest, "this is no WebSocket handshake")
		p.Status = status
		problem.Write(w, p)
	},
}

// refuse spells what is also an ending as one, by weft.close and a close code
// after the handshake: a page cannot see the status of a handshake that failed.
// All else, which is wrong with the request itself, is a status.
func (t *webSocket) refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	cause, ok := causes[p.Code]
	if !ok {
		problem.Write(w, p)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	raw := conn.NetConn()
	_ = raw.SetDeadline(time.Now().Add(linger))
	if _, err := raw.Write(webSocketFarewell(cause, p.RetryAfter)); err == nil {
		drainMessages(conn)
	}
}

// webSocketClosing spells the farewell: weft.close for the page's code, the
// close frame for everybody's.
func webSocketClosing(c session.Cause) []byte {
	if c == session.Left {
		return nil
	}
	return webSocketFarewell(c, comeBack(c))
}

func webSocketFarewell(c session.Cause, retry time.Duration) []byte {
	bye := wire.WebSocket.Control("", wire.TypeClose, farewell(c, retry))
	return append(bye, wire.Close(c.Ending().Close, c.Ending().Reason)...)
}

func (t *webSocket) serve(w http.ResponseWriter, v *visit) {
	if t.parks(v.r) {
		t.park(w, v)
		return
	}
	defer v.release()
	limit := &deadline{timeout: t.cfg.Public.WriteTimeout, set: func(time.Time) error { return nil }}
	pump := session.NewPump(limit.hurry)
	q := session.NewQueue(t.spelling, pump)
	s := v.session(q, t.counts, nil)
	pump.Opened = func() { t.counts.connected(v.about.Since) }
	if err := t.enter(s); err != nil {
		t.refuse(w, v.r, problem.Of(err))
		return
	}
	defer t.leave(s)
	conn, err := upgrader.Upgrade(w, v.r, nil)
	if err != nil {
		s.End(session.Left)
		return
	}
	raw := conn.NetConn()
	limit.attach(raw.SetWriteDeadline)

	var reading sync.WaitGroup
	reading.Go(func() {
		t.readMessages(conn, s, q)
		s.End(session.Left)
	})
	if err := t.follow(v, s, func() {}); err != nil {
		s.End(session.NotReady)
	}
	err = pump.Run(v.r.Context(), q, func(frames [][]byte) error {
		n, err := writeFrames(raw, frames, limit)
		t.counts.bytes.Add(float64(n))
		return err
	})
	if err != nil {
		s.End(lost(err))
	} else if s.Cause() != session.Left {
		_ = raw.SetReadDeadline(time.Now().Add(linger))
		reading.Wait()
	}
	limit.stop()
	_ = conn.Close()
	reading.Wait()
}

// drainMessages reads until the other side closes or the deadline passes.
func drainMessages(conn *websocket.Conn) {
	conn.SetCloseHandler(func(int, string) error { return nil })
	conn.SetPingHandler(func(string) error { return nil })
	conn.SetReadLimit(maxMessage)
	for {
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
	}
}
