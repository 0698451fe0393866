package event

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
)

// maxMsgID is the length above which a message id is hashed, the stream's secret
// not counted.
const maxMsgID = 200

// A MsgID names an event within its scope, so that the stream drops what comes a
// second time within its window. The zero MsgID is none. It can be compared.
//
// What the stream is given is the text
//
//	<secret>/<scope>/<part>/…/<subject>
//
// whose secret is the stream's: no publisher knows it, so that nobody can take an
// id before its owner does. Each scope has its own name and its own number of
// parts, and a part is escaped, so that two different ids never give one text. An
// event's subject is the end of it, so that the copies of one record for several
// subjects differ. Over 200 bytes a hash of the text stands for it.
type MsgID struct {
	scope   scope
	parts   [3]string // of which the scope has some
	numbers [2]int64  // and some of these, behind the parts
}

// A scope is within which an id counts: a way in and what names an event there.
type scope uint8

// The scopes. What is published by a user, by an operator and by a NATS client
// never shares an id, whatever their names are.
const (
	noScope scope = iota
	scopeRecord
	scopePublicKey
	scopePublicEvent
	scopeAdminKey
	scopeAdminEvent
	scopeNATS
)

// scopes says how each is written: its name, then so many parts and numbers.
var scopes = [...]struct {
	name           string
	parts, numbers int
}{
	noScope:          {},
	scopeRecord:      {"k", 2, 2}, // cluster, topic; partition, offset
	scopePublicKey:   {"ph", 2, 1},
	scopePublicEvent: {"pc", 3, 0},
	scopeAdminKey:    {"ah", 2, 1},
	scopeAdminEvent:  {"ac", 3, 0},
	scopeNATS:        {"n", 2, 0}, // publisher, its Nats-Msg-Id
}

// RecordID is the id of a Kafka record.
func RecordID(cluster, topic string, partition int32, offset int64) MsgID {
	return MsgID{scope: scopeRecord, parts: [3]string{cluster, topic}, numbers: [2]int64{int64(partition), offset}}
}

// NATSID is the id of what a NATS client published with a Nats-Msg-Id of its own,
// which counts within its name only. The publisher is the user's name, "" for a
// local client.
func NATSID(publisher, id string) MsgID {
	return MsgID{scope: scopeNATS, parts: [3]string{publisher, id}}
}

// A Publisher is who publishes by HTTP or WebSocket: a user, or the operators of
// the trusted listener, who are nobody's name. It can be compared.
type Publisher struct {
	user    string
	trusted bool
}

// Operators publish on the admin listener.
var Operators = Publisher{trusted: true}

// PublicUser publishes on the public listener, as the token says.
func PublicUser(name string) Publisher { return Publisher{user: name} }

// KeyID is the id of the event at an index of what was published with an
// Idempotency-Key.
func (p Publisher) KeyID(key string, index int) MsgID {
	c := scopePublicKey
	if p.trusted {
		c = scopeAdminKey
	}
	return MsgID{scope: c, parts: [3]string{p.user, key}, numbers: [2]int64{int64(index)}}
}

// EventID is the id of a CloudEvent.
func (p Publisher) EventID(source, id string) MsgID {
	c := scopePublicEvent
	if p.trusted {
		c = scopeAdminEvent
	}
	return MsgID{scope: c, parts: [3]string{p.user, source, id}}
}

// IsZero reports whether the event has no id.
func (id *MsgID) IsZero() bool { return id.scope == noScope }

// Text is the id under a subject as the stream is given it.
func (id *MsgID) Text(secret, subject string) string {
	var buf [256]byte
	b := append(append(buf[:0], secret...), '/')
	head := len(b)
	b = id.write(b, subject)
	if len(b)-head > maxMsgID {
		sum := sha256.Sum256(b[head:])
		b = base64.RawURLEncoding.AppendEncode(append(b[:head], '#'), sum[:])
	}
	return string(b)
}

// write appends the text without the secret.
func (id *MsgID) write(b []byte, subject string) []byte {
	d := &scopes[id.scope]
	b = append(b, d.name...)
	for _, part := range id.parts[:d.parts] {
		b = escaped(append(b, '/'), part)
	}
	for _, number := range id.numbers[:d.numbers] {
		b = strconv.AppendInt(append(b, '/'), number, 10)
	}
	return append(append(b, '/'), subject...)
}

// escaped appends a part: what would end it, and what does not live in a header,
// becomes =XX.
func escaped(b []byte, part string) []byte {
	for i := 0; i < len(part); i++ {
		if c := part[i]; c > ' ' && c < 0x7f && c != '/' && c != '=' {
			b = append(b, c)
		} else {
			b = append(b, '=', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

const upperHex = "0123456789ABCDEF"

// RecordSeries is what SplitSeries returns as the series of a partition's records.
func RecordSeries(cluster, topic string, partition int32) string {
	b := append(escaped([]byte(scopes[scopeRecord].name+"/"), cluster), '/')
	b = append(escaped(b, topic), '/')
	return string(strconv.AppendInt(b, int64(partition), 10))
}

// SplitSeries splits the text of a Kafka record's id, without the secret, into
// what all records of its partition have in common for a subject, and its offset.
// Records of one series are stored in the order of their offsets.
func SplitSeries(text, subject string) (series string, number int64, ok bool) {
	head, ok := strings.CutSuffix(text, "/"+subject)
	if !ok || !strings.HasPrefix(head, scopes[scopeRecord].name+"/") {
		return "", 0, false
	}
	i := strings.LastIndexByte(head, '/')
	number, err := strconv.ParseInt(head[i+1:], 10, 64)
	return head[:i], number, err == nil
}
