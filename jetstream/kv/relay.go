package kv

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/subject"
)

const (
	// relayMemory is for how long at least the relay knows whom to tell that something is
	// stored.
	relayMemory = 30 * time.Second
	// relayPending bounds how many wait for that, in each of two generations.
	relayPending = 100_000
	// relayBytes bounds what has been written and not been looked at yet. What is beyond
	// is not acknowledged.
	relayBytes = 32 << 20
	// codeHeader is the code of the API for a message that is malformed.
	codeHeader = 10003
)

// writable are the headers with a meaning to the stream that who writes a bucket may set:
// a leader judges them before it lets the others know of the message. Of the rest, one
// (Nats-Expected-Last-Msg-Id) is judged by each member when all have agreed on it, and ends
// the stream on each when it does not hold; to refuse what is not known is the only way to
// be safe from the next.
var writable = []string{headerTTL, headerRollup, headerExpected, "Nats-Expected-Last-Sequence", "Nats-Expected-Stream", "Nats-Msg-Id"}

// stamps are what streams add to messages that they hand out, and the server to one that
// comes from another account. In one that is written they say nothing.
var stamps = []string{"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Last-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-UpTo-Sequence",
	"Nats-Request-Info"}

var errUnreadable = errors.New("the header cannot be read")

// A relay takes what operators write into the buckets and publishes what of it may be
// stored, in order.
type relay struct {
	conn  *nats.Conn
	own   string // begins the subjects by which the node writes
	heard string // begins the subjects of what operators write
	inbox string
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	next    uint64
	young   map[string]string // where the writer wants to be answered, by token
	old     map[string]string
	rotated time.Time
}

// Relay carries into the buckets what is written below the subject heard, by the prefix own,
// for as long as the connection lives. That is one of its own: what operators write can
// hold up what else is on it.
func Relay(conn *nats.Conn, heard, own string, log *slog.Logger) error {
	r := &relay{conn: conn, own: own, heard: heard, inbox: conn.NewInbox() + ".", log: log, now: time.Now,
		young: map[string]string{}, old: map[string]string{}, rotated: time.Now()}
	answers, err := conn.Subscribe(r.inbox+"*", r.answer)
	if err != nil {
		return fmt.Errorf("hear answers of buckets: %w", err)
	}
	written, err := conn.Subscribe(heard+">", r.carry)
	if err != nil {
		return fmt.Errorf("hear what is written into buckets: %w", err)
	}
	for _, s := range []*nats.Subscription{answers, written} {
		if err := s.SetPendingLimits(-1, relayBytes); err != nil {
			return fmt.Errorf("bound what is written into buckets: %w", err)
		}
	}
	return nil
}

// carry publishes what somebody wrote, or tells why not. An error of the connection is
// told by the silence.
func (r *relay) carry(m *nats.Msg) {
	key := strings.TrimPrefix(m.Subject, r.heard)
	header, err := stored(m)
	if err != nil {
		r.refuse(m.Reply, key, &api.Error{Code: 400, ErrCode: codeHeader, Description: err.Error()})
		return
	}
	out := &nats.Msg{Subject: r.own + key, Header: header, Data: m.Data}
	if isAnswerable(m.Reply) {
		if out.Reply = r.remember(m.Reply); out.Reply == "" {
			r.refuse(m.Reply, key, &api.Error{Code: 503, ErrCode: api.CodeUnavailable, Description: "too much is written at once; write again"})
			return
		}
	}
	if err := r.conn.PublishMsg(out); errors.Is(err, nats.ErrBadHeaderMsg) {
		r.refuse(r.whose(out.Reply), key, &api.Error{Code: 400, ErrCode: codeHeader, Description: errUnreadable.Error()})
	} else if err != nil {
		r.whose(out.Reply)
		r.log.Debug("a write into a bucket is lost", "key", key, "err", err)
	}
}

// stored is the header of what is stored, or why it is not.
func stored(m *nats.Msg) (nats.Header, error) {
	if len(m.Header) == 0 && m.Size() != len(m.Subject)+len(m.Reply)+len(m.Data) {
		return nil, errUnreadable
	}
	header := make(nats.Header, len(m.Header))
	for name, values := range m.Header {
		switch {
		case len(name) < 5 || !strings.EqualFold(name[:5], "nats-"):
			header[name] = values
		case oneOf(name, stamps):
		case !oneOf(name, writable):
			return nil, fmt.Errorf("the header %.80s is not for those who write buckets", name)
		case len(values) != 1:
			return nil, fmt.Errorf("the header %.80s is there %d times", name, len(values))
		default:
			header[name] = values
		}
	}
	return header, nil
}

func oneOf(name string, list []string) bool {
	for _, n := range list {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// isAnswerable reports whether a writer may be answered there: at an inbox, or where the
// server brings the answer back to another account.
func isAnswerable(reply string) bool {
	return subject.IsInbox(reply) || strings.HasPrefix(reply, "_R_.")
}

// remember returns where an answer is expected for a reply subject; "" when there is no
// room.
func (r *relay) remember(reply string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.now(); now.Sub(r.rotated) > relayMemory {
		r.old, r.young, r.rotated = r.young, map[string]string{}, now
	}
	if len(r.young) >= relayPending {
		return ""
	}
	r.next++
	token := strconv.FormatUint(r.next, 36)
	r.young[token] = reply
	return r.inbox + token
}

// whose forgets an answer that was expected, and returns where it goes.
func (r *relay) whose(at string) (reply string) {
	token := strings.TrimPrefix(at, r.inbox)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range []map[string]string{r.young, r.old} {
		if reply, ok := m[token]; ok {
			delete(m, token)
			return reply
		}
	}
	return ""
}

// answer passes on what the bucket says.
func (r *relay) answer(m *nats.Msg) {
	reply := r.whose(m.Subject)
	switch {
	case reply == "":
	case len(m.Data) == 0 && m.Header.Get("Status") == "503":
		r.refuse(reply, "", &api.Error{Code: 503, ErrCode: api.CodeUnavailable, Description: "nobody leads the bucket at this moment"})
	default:
		_ = r.conn.Publish(reply, m.Data) // silence tells the same
	}
}

// refuse tells a writer that nothing is stored.
func (r *relay) refuse(reply, key string, why *api.Error) {
	r.log.Debug("refused what was written into a bucket", "key", key, "err", why)
	if !isAnswerable(reply) {
		return
	}
	bucket, _, _ := strings.Cut(key, ".")
	text, err := json.Marshal(struct {
		Error  *api.Error `json:"error"`
		Stream string     `json:"stream"`
		Seq    uint64     `json:"seq"`
	}{why, Stream(bucket), 0})
	if err == nil {
		_ = r.conn.Publish(reply, text) // silence tells the same
	}
}
