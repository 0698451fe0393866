package target

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"weft/bridge/cloudevent"
	"weft/edge/problem"
	"weft/edge/route"
)

const (
	// bodiesLimit bounds the bytes of records that wait for Kafka at once.
	bodiesLimit = 64 << 20
	// recordOverhead is what a record costs beside its bytes.
	recordOverhead = 512
	// comeBack is when a client should try again that was refused for want of memory.
	comeBack = time.Second
)

// Headers of a record that are Weft's alone.
const (
	headerCorrelation = "weft-correlation"
	headerReplyTopic  = "weft-reply-topic"
)

// A record is one that is to be written. Its owner is the lane from when it is handed over.
type record struct {
	key, value []byte // a nil key is none; the value is never nil
	headers    []*sarama.RecordHeader
	made       time.Time
	deadline   time.Time // nobody waits after it
	size       int
	done       chan error  // of one
	told       func(error) // is called at the end; it must not block
}

// finish tells whoever waits what has become of the record.
func (r *record) finish(err error) {
	r.done <- err
	r.told(err)
}

// measure says how much memory the record holds.
func (r *record) measure() {
	r.size = recordOverhead + len(r.key) + len(r.value)
	for _, h := range r.headers {
		r.size += len(h.Key) + len(h.Value)
	}
}

// add adds a header.
func (r *record) add(name, value string) {
	r.headers = append(r.headers, &sarama.RecordHeader{Key: []byte(name), Value: []byte(value)})
}

// newRecord makes a record of a value.
func newRecord(value []byte) *record {
	return &record{value: value, made: time.Now(), done: make(chan error, 1)}
}

// record makes the record of a request: its body byte for byte, and its headers in lower
// case.
func (k *Kafka) record(r *http.Request, call *route.Call, id string) (*record, error) {
	var kind string
	if call.Route.CloudEvent != nil {
		var ok bool
		if kind, ok = call.CloudEventType(); !ok {
			return nil, problem.New(problem.Forbidden, "the type of the event cannot be made of this request")
		}
	}
	body := &body{budget: &k.bodies}
	value, err := body.read(r, call.Route.BodyLimit)
	if err != nil {
		body.release()
		return nil, err
	}
	rec := newRecord(value)
	rec.told = func(error) { body.release() } // until then it is charged for
	if key, ok := call.Key(); ok {
		rec.key = []byte(key)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		rec.addHeader(name, r.Header[name], call.Route.CloudEvent != nil)
	}
	rec.add(headerCorrelation, id)
	if reply := call.Route.Reply; reply != nil && reply.Topic != "" {
		rec.add(headerReplyTopic, reply.Topic)
	}
	if ce := call.Route.CloudEvent; ce != nil {
		rec.event(id, kind, ce.Source)
	}
	rec.measure()
	return rec, nil
}

// connections are headers of an HTTP connection, which may come with a request and are
// nothing to a record.
var connections = []string{"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}

// attributes are those that a route's cloudevent sets.
var attributes = []string{"specversion", "id", "type", "source", "time"}

// addHeader adds a header of the request. Attributes of a CloudEvent are written as Kafka's
// binding has them; ours says that those which we set ourselves are left out.
func (r *record) addHeader(name string, values []string, ours bool) {
	name = strings.ToLower(name)
	if name == headerCorrelation || name == headerReplyTopic || slices.Contains(connections, name) ||
		name == "user-agent" && slices.Equal(values, []string{""}) { // net/http's word for none
		return
	}
	if attribute, ok := strings.CutPrefix(name, cloudevent.HTTPPrefix); ok {
		if ours && slices.Contains(attributes, attribute) {
			return
		}
		name = cloudevent.KafkaPrefix + attribute
		values = slices.Clone(values)
		for i, v := range values {
			values[i] = cloudevent.Decoded(v)
		}
	}
	for _, v := range values {
		r.add(name, v)
	}
}

// newCorrelation is 128 random bits, for a request whose answer nobody will name.
func newCorrelation() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// accepted is the answer to a request whose record was written.
func accepted(r *http.Request, id string) *http.Response {
	text, _ := json.Marshal(struct {
		ID string `json:"id"`
	}{id})
	text = append(text, '\n')
	return &http.Response{
		Status: "202 Accepted", StatusCode: http.StatusAccepted, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}},
		Body:   io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)), Request: r,
	}
}

// A budget is how many more bytes of bodies may be held.
type budget struct{ free atomic.Int64 }

func (b *budget) take(n int64) bool {
	if b.free.Add(-n) >= 0 {
		return true
	}
	b.free.Add(n)
	return false
}

var errBudget = errors.New("too many bytes wait for Kafka")

// A body is what has come of a request's body. It is charged to the budget as it comes,
// until release.
type body struct {
	budget *budget
	source io.Reader
	held   int64
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	if !b.budget.take(int64(n)) {
		return 0, errBudget
	}
	b.held += int64(n)
	return n, err
}

// release gives back what the body was charged.
func (b *body) release() {
	b.budget.free.Add(b.held)
	b.held = 0
}

// read reads the body of r, of at most limit bytes.
func (b *body) read(r *http.Request, limit int64) ([]byte, error) {
	if !b.budget.take(recordOverhead) {
		return nil, full()
	}
	b.held += recordOverhead
	tooLarge := problem.New(problem.TooLarge, "the body is over "+strconv.FormatInt(limit, 10)+" bytes")
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	if r.Body == nil || r.Body == http.NoBody {
		return []byte{}, nil
	}
	b.source = io.LimitReader(r.Body, limit+1)
	var data bytes.Buffer
	data.Grow(int(min(max(r.ContentLength, 0), 64<<10)) + bytes.MinRead)
	_, err := data.ReadFrom(b)
	p, told := errors.AsType[*problem.Problem](err)
	switch {
	case told:
		return nil, p
	case errors.Is(err, errBudget):
		return nil, full()
	case err != nil && r.Context().Err() != nil:
		return nil, context.Cause(r.Context())
	case err != nil:
		return nil, problem.New(problem.BadRequest, "the body could not be read to its end")
	case int64(data.Len()) > limit:
		return nil, tooLarge
	}
	return data.Bytes(), nil
}
