package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"weft/test/client"
	"weft/test/stage"
)

// A conn is a connection as the model has it. The loop alone changes it, with world.mu held
// where its reader looks.
type conn struct {
	w     *world
	id    int
	kind  client.Transport
	node  *stage.Node
	who   *person
	asked []string // perhaps also what the token brings
	types []string // of events that it wants
	past  bool     // asks for all that is stored
	// joined: it was open once; open: it is now. Between the two it will come back.
	joined, open bool

	framed     bool // SSE whose data are frames
	stream     client.Stream
	cancel     context.CancelFunc
	done       chan struct{} // closed when the reader has ended
	opened     chan client.Opened
	answers    chan []byte
	connection string

	// of the reader, with world.mu
	seen    map[int]bool
	lastID  string
	after   []string       // what it follows after the change that is being made
	lost    []string       // what it was told it has lost since that began
	since   int            // events up to this one may come late: it resumes
	began   map[string]int // the newest event when it began to follow a subject
	joins   int            // the same of a change
	reason  string         // of weft.close
	ended   time.Time
	failure error
	told    map[string]bool // presence that it was told of
}

func (c *conn) String() string {
	return fmt.Sprintf("#%d(%s %v asked %v types %v past %v)", c.id, c.kind, c.who, c.asked, c.types, c.past)
}

func (c *conn) follows() []string { return c.who.follows(c.asked) }

// takes reports whether a connection receives an event that follows some subjects.
func (c *conn) takes(follows []string, e *event) bool {
	return coveredBy(follows, e.subject) && wants(c.types, e.typ)
}

// expect begins a change.
func (c *conn) expect(after []string) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.after, c.lost, c.joins = after, nil, c.w.next
}

// dial connects and waits until the connection is open or refused. last is the id to resume
// from.
func (w *world) dial(c *conn, last string) (refused error) {
	ctx, cancel := context.WithCancel(context.Background())
	target := client.Target{URL: c.node.URL(), Token: c.who.token, LastID: last, Query: url.Values{"subject": c.asked, "type": c.types}}
	if c.past || last != "" && w.chance(30) { // an id counts for more
		target.Query.Set("since", pick(w, []string{"all", "24h"}))
	}
	switch c.kind {
	case client.SSE:
		if c.framed = w.chance(50); c.framed {
			target.Query.Set("format", "frame")
		}
	case client.Poll:
		target.Query.Set("wait", "2s")
	}
	stream, err := client.Open(ctx, c.kind, target)
	if err != nil {
		cancel()
		return err
	}
	c.stream, c.cancel = stream, cancel
	c.done, c.opened, c.answers = make(chan struct{}), make(chan client.Opened, 1), make(chan []byte, 16)
	w.mu.Lock()
	c.reason, c.failure, c.lastID, c.told = "", nil, last, map[string]bool{}
	w.mu.Unlock()
	go c.read(stream, c.done)
	if c.kind == client.Poll && last != "" {
		return nil // it answers when there is something
	}
	select {
	case o := <-c.opened:
		c.connection = o.Connection
		return nil
	case <-c.done:
		cancel()
		w.mu.Lock()
		defer w.mu.Unlock()
		if c.reason != "" {
			return errors.New(c.reason)
		}
		return c.failure
	case <-time.After(time.Minute):
		cancel()
		return errors.New("neither open nor refused within a minute")
	}
}

// read tells the world what the connection receives.
func (c *conn) read(stream client.Stream, done chan struct{}) {
	defer close(done)
	for {
		e, err := stream.Next()
		if err != nil {
			c.w.mu.Lock()
			c.failure, c.ended = err, time.Now()
			c.w.signal()
			c.w.mu.Unlock()
			return
		}
		if e.Type == "answer" {
			c.answers <- e.Data
			continue
		}
		c.w.mu.Lock()
		if e.ID != "" {
			c.lastID = e.ID
		}
		c.receive(e)
		c.w.mu.Unlock()
	}
}

// receive is told, with world.mu held, of an event or a frame.
func (c *conn) receive(e client.Event) {
	if c.framed {
		var frame struct{ Data json.RawMessage }
		if err := json.Unmarshal(e.Data, &frame); err != nil {
			c.w.complain("%v: received %s, which is no frame", c, e.Data)
		}
		e.Data = frame.Data
	}
	switch e.Type {
	case client.TypeOpen:
		var o client.Opened
		if c.kind != client.Poll && json.Unmarshal(e.Data, &o) != nil {
			c.w.complain("%v: weft.open is %s", c, e.Data)
		}
		select {
		case c.opened <- o:
		default:
		}
	case client.TypeClose:
		var ending client.Ending
		_ = json.Unmarshal(e.Data, &ending)
		c.reason = ending.Reason
	case client.TypeReset:
		c.w.complain("%v: was told that history is gone: %s", c, e.Data)
	case "weft.unsubscribed":
		var lost struct{ Subjects []string }
		_ = json.Unmarshal(e.Data, &lost)
		c.lost = append(c.lost, lost.Subjects...)
	case "weft.presence":
		c.presence(e.Data)
	case "model.event", "model.seen", "model":
		c.event(e)
	case client.TypeKeepalive, "weft.expiring":
	default:
		c.w.complain("%v: received what nobody sent: %q %s", c, e.Type, e.Data)
	}
}

// presence is allowed of what is followed, or is to be.
func (c *conn) presence(data []byte) {
	var of struct{ User, Topic string }
	_ = json.Unmarshal(data, &of)
	s := "presence." + escape(of.User)
	if of.Topic != "" {
		s = "presence.topic." + strings.TrimPrefix(of.Topic, "topic.")
	}
	c.told[s] = true
	if !slices.Contains(c.follows(), s) && !slices.Contains(c.after, s) || slices.Contains(c.lost, s) && !slices.Contains(c.after, s) {
		c.w.complain("%v: was told of %s: %s", c, s, data)
	}
	c.w.signal()
}

func (c *conn) event(e client.Event) {
	var body struct{ N int }
	if err := json.Unmarshal(e.Data, &body); err != nil {
		c.w.complain("%v: received %q", c, e.Data)
		return
	}
	sent := c.w.events[body.N]
	switch {
	case sent == nil:
		c.w.complain("%v: received event %d long after it was sent", c, body.N)
	case e.Subject != "" && e.Subject != sent.subject:
		c.w.complain("%v: event %d is said to be of %s, and was sent to %s", c, body.N, e.Subject, sent.subject)
	case e.Type != sent.typ || !wants(c.types, e.Type):
		c.w.complain("%v: received event %d, a %s, as %s", c, body.N, sent.typ, e.Type)
	case c.seen[body.N] && !c.late(body.N, sent.subject):
		c.w.complain("%v: received event %d on %s twice", c, body.N, sent.subject)
	case coveredBy(c.lost, sent.subject) && !coveredBy(c.after, sent.subject):
		c.w.complain("%v: received event %d on %s after it was told that it has lost %v", c, body.N, sent.subject, c.lost)
	case sent.must[c] && !c.seen[body.N]:
		c.w.pending[c]--
	case sent.may[c]:
	case c.late(body.N, sent.subject):
	default:
		c.w.complain("%v: received event %d on %s, which it may not see (it follows %v, or then %v)", c, body.N, sent.subject, c.follows(), c.after)
	}
	c.seen[body.N] = true
	c.w.received++
	c.w.signal()
}

// become makes a connection that of somebody who asks for something, with world.mu held.
func (c *conn) become(who *person, asked []string) {
	before := c.began
	c.who, c.asked, c.began = who, asked, map[string]int{}
	for _, s := range c.follows() {
		at, ok := before[s]
		if !ok {
			at = c.w.next
		}
		c.began[s] = at
	}
}

// late reports whether an event may come that was sent before the connection began to follow
// its subject, and so once more where it did so earlier: what begins does so at the newest
// tick, and a resume goes on at its id also with what is new. It must be one that the
// connection may see now.
func (c *conn) late(n int, subject string) bool {
	if !coveredBy(c.after, subject) && !coveredBy(c.follows(), subject) {
		return false
	}
	if at, named := c.began[subject]; named {
		return n <= at
	}
	return n <= max(c.since, c.joins)
}

// hangUp ends the connection from the client's side and waits for its reader.
func (c *conn) hangUp() {
	c.cancel()
	c.stream.Close()
	<-c.done
}

// command changes a WebSocket and returns the subjects of the answer.
func (c *conn) command(change map[string]any) (subjects []string, code string) {
	change["ref"] = fmt.Sprint(c.w.steps)
	if err := c.stream.(*client.Socket).Send(change); err != nil {
		return nil, err.Error()
	}
	select {
	case answer := <-c.answers:
		var a struct {
			Ref      string
			OK       bool
			Subjects []string
			Error    *client.Problem
		}
		if err := json.Unmarshal(answer, &a); err != nil || a.Ref != change["ref"] || a.OK == (a.Error != nil) {
			c.w.failf("%v: the answer to %v is %s", c, change, answer)
		}
		if a.Error != nil {
			return nil, a.Error.Code
		}
		return a.Subjects, ""
	case <-c.done:
		return nil, "ended"
	case <-time.After(time.Minute):
		c.w.failf("%v: no answer to %v within a minute", c, change)
		return nil, ""
	}
}

// patch changes an SSE connection by a request to any node.
func (c *conn) patch(change map[string]any) (subjects []string, code string) {
	body, err := json.Marshal(change)
	if err != nil {
		c.w.failf("%v", err)
	}
	var answer []byte
	for n, deadline := c.w.node(), time.Now().Add(time.Minute); ; {
		var status int
		status, answer, err = exchange(http.MethodPatch, n.URL()+"/_weft/v1/connections/"+c.connection, c.who.token, "application/json", body)
		if err != nil {
			c.w.failf("%v: %v", c, err)
		}
		if status == http.StatusOK {
			break
		}
		var p client.Problem
		_ = json.Unmarshal(answer, &p)
		if p.Code != "not_ready" || time.Now().After(deadline) { // which says: try again
			return nil, fmt.Sprint(p.Code, " ", p.Detail)
		}
		c.w.did["again"]++
	}
	var a struct{ Subjects []string }
	if err := json.Unmarshal(answer, &a); err != nil {
		c.w.failf("%v: PATCH answers %s", c, answer)
	}
	return a.Subjects, ""
}

var plain = &http.Client{Timeout: time.Minute}

// exchange sends a request and reads the answer.
func exchange(method, address, token, contentType string, body []byte) (int, []byte, error) {
	req, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := plain.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, got, err
}

// codeOf is the problem or the ending with which somebody was refused.
func codeOf(err error) string {
	var refused *client.StatusError
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &refused):
		return refused.Problem.Code
	case errors.As(err, &closed):
		return closed.Text
	}
	return err.Error()
}
