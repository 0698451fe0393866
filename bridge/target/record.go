package target

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"weft/bridge/body"
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
	body, value, err := k.body(r, call.Route.BodyLimit)
	if err != nil {
		return nil, err
	}
	rec := newRecord(value)
	rec.told = func(error) { body.Release() } // until then it is charged for
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

// body reads the body of a request, which is charged for until it is released.
func (k *Kafka) body(r *http.Request, limit int64) (*body.Body, []byte, error) {
	b := k.bodies.New()
	err := b.Charge(recordOverhead)
	if err == nil {
		var value []byte
		if value, err = b.Read(r, limit); err == nil {
			return b, value, nil
		}
		if r.Context().Err() != nil {
			err = context.Cause(r.Context())
		}
	}
	b.Release()
	return nil, nil, err
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

// newID is 128 random bits, for an event of our own.
func newID() string {
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
