package event

import (
	"errors"
	"hash/maphash"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

var errNotJS = errors.New("not a message of the stream")

// A Stored is a message of the stream.
type Stored struct {
	Subject string // as published
	Seq     uint64
	// Previous is the sequence of the message before: in a delivery copy the one of the
	// same subject (0: none, or it is gone), in a batch the one of that batch.
	Previous uint64
	Header   nats.Header
	Data     []byte

	// StoredAt is when it was stored, where its header does not say so; see Time.
	StoredAt time.Time
	// Unreadable says that its headers are malformed: it cannot be delivered.
	Unreadable bool
}

// ParseStored reads what the stream sent: a delivery copy or an answer to a
// read. Of the headers that the stream adds only the last value counts, since
// a publisher's own would come first.
func ParseStored(m *nats.Msg) (Stored, error) {
	s := Stored{Subject: LastValue(m.Header, "Nats-Subject"), Header: m.Header, Data: m.Data}
	var err error
	if s.Seq, err = strconv.ParseUint(LastValue(m.Header, "Nats-Sequence"), 10, 64); err != nil || s.Seq == 0 || s.Subject == "" {
		return Stored{}, errNotJS
	}
	if v := LastValue(m.Header, "Nats-Last-Sequence"); v != "" {
		if s.Previous, err = strconv.ParseUint(v, 10, 64); err != nil {
			return Stored{}, errNotJS
		}
	}
	return s, nil
}

// Recorded is a message as a replica has it in its file: the header with the first and the
// empty line, none when it is empty. It says the same of it as ParseStored says of an answer;
// but the subject of one that cannot be delivered is known.
func Recorded(subject string, seq uint64, header, data []byte, at time.Time) Stored {
	s := Stored{Subject: subject, Seq: seq, Data: data}
	if len(header) > 0 {
		var err error
		if s.Header, err = nats.DecodeHeadersMsg(header); err != nil {
			return Stored{Subject: subject, Seq: seq, Unreadable: true}
		}
	}
	if s.Header == nil {
		s.Header = nats.Header{}
	}
	// As the server adds it: after the publisher's own, so that it is the last that counts.
	s.Header["Nats-Time-Stamp"] = append(s.Header["Nats-Time-Stamp"], at.UTC().Format(time.RFC3339Nano))
	return s
}

// ErrForged means that a delivery copy is not the stream's own.
var ErrForged = errors.New("not a delivery copy of the stream")

// stampSeed keeps stamps from being foretold.
var stampSeed = maphash.MakeSeed()

// Stamp tells two messages with one sequence apart, of which the stream has sent
// one only: it stands for the time when the message was stored, to the nanosecond.
// Every replica gives the same. It is 0 when there is no time.
func (s *Stored) Stamp() uint32 {
	if t := LastValue(s.Header, "Nats-Time-Stamp"); t != "" {
		return stamp([]byte(t))
	}
	return 0
}

func stamp(at []byte) uint32 { return uint32(maphash.Bytes(stampSeed, at)) | 1 }

// Time returns when the stream stored the message.
func (s *Stored) Time() time.Time {
	if !s.StoredAt.IsZero() {
		return s.StoredAt
	}
	return readStamp(LastValue(s.Header, "Nats-Time-Stamp"))
}

// LastValue is the last value of a header, "" for none.
func LastValue(h nats.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// FirstValue is the first value of a header, "" for none.
func FirstValue(h nats.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}
