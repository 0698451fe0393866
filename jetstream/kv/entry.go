package kv

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
)

const (
	// headerMade is a header of an entry that was imported: when it was made where
	// it comes from (RFC 3339), by which an entry of a user cuts tokens.
	headerMade = "Weft-Made"
	// headerTTL is the header of a per-message time to live (ADR-43 of NATS).
	headerTTL = "Nats-TTL"
	// headerExpected lets a key be made only: 0 says that it has never had a value.
	headerExpected = "Nats-Expected-Last-Subject-Sequence"
	// headerOperation says that an entry was deleted or purged, headerMarker that it
	// has expired.
	headerOperation = "KV-Operation"
	headerMarker    = "Nats-Marker-Reason"
	// headerRollup says that the entry takes the place of all that its key had.
	headerRollup = "Nats-Rollup"

	// maxValue bounds the value of an entry, in bytes.
	maxValue = 1 << 20
)

// An Entry is an entry of a bucket, as it is carried from one Weft to another.
type Entry struct {
	Bucket  string // blacklist or routes
	Key     string // as in the bucket, escaped
	Value   []byte
	Made    time.Time // here or where it was imported from
	Expires time.Time // zero: it stays
}

// A Change is a message of a bucket's stream: an entry, or that one is gone.
type Change struct {
	Entry
	Seq  uint64 // in the bucket's stream
	Gone bool   // deleted, purged or expired; only key and time are known then
	// Rollup is set when nothing of what the key had before is retained.
	Rollup bool
}

// changeOf reads a message of the bucket's stream, whose messages live for age, 0 for
// ever.
func changeOf(bucket string, m *api.Message, age time.Duration) Change {
	c := Change{Entry: Entry{Bucket: bucket, Key: strings.TrimPrefix(m.Subject, Subject(bucket, ""))}, Seq: m.Seq}
	c.Made, c.Rollup = madeAt(m), m.Last(headerRollup) != ""
	if c.Gone = m.Last(headerOperation) != "" || m.Last(headerMarker) != ""; c.Gone {
		return c
	}
	c.Value = m.Data
	if life := lifeOf(m, age); life > 0 {
		c.Expires = m.Time.Add(life)
	}
	return c
}

// madeAt is when the entry was made, here or where it was imported from.
func madeAt(m *api.Message) time.Time {
	if t, err := time.Parse(time.RFC3339, m.Last(headerMade)); err == nil && t.Before(m.Time) {
		return t
	}
	return m.Time
}

// lifeOf is how long the entry lives after it was stored, at most age; with an
// age of 0 for ever, which is 0, too.
func lifeOf(m *api.Message, age time.Duration) time.Duration {
	ttl, err := time.ParseDuration(m.Last(headerTTL))
	if err != nil || ttl <= 0 {
		return age
	}
	if age > 0 {
		return min(age, ttl)
	}
	return ttl
}

// Message is what puts an entry into its bucket. With a life it goes after that,
// rounded up to whole seconds: it must not go too early.
func Message(bucket, key string, value []byte, life time.Duration) *nats.Msg {
	m := &nats.Msg{Subject: Subject(bucket, key), Data: value, Header: nats.Header{}}
	if life > 0 {
		m.Header.Set(headerTTL, fmt.Sprintf("%ds", (life+time.Second-1)/time.Second))
	}
	return m
}

// Deletion is what takes an entry away.
func Deletion(bucket, key string) *nats.Msg {
	return &nats.Msg{Subject: Subject(bucket, key), Header: nats.Header{headerOperation: []string{"DEL"}}}
}

// SetMade says that a message's entry was made at another time than now.
func SetMade(m *nats.Msg, made time.Time) {
	m.Header.Set(headerMade, made.UTC().Format(time.RFC3339Nano))
}

// problem says why no bucket can take the entry, "" when one can.
func (e *Entry) problem() string {
	switch {
	case !slices.Contains(Operated, e.Bucket):
		return fmt.Sprintf("there is no bucket %q; it is blacklist or routes", e.Bucket)
	case !isKey(e.Key):
		return fmt.Sprintf("%.100q is no key: other bytes than letters, digits, - and _ are written =XX", e.Key)
	case len(e.Value) > maxValue:
		return fmt.Sprintf("the value has more than %d bytes", maxValue)
	}
	return ""
}

// isKey reports whether a bucket can have the key. One that can never match a
// token is carried as well: it is shown as such.
func isKey(key string) bool {
	if len(key) > 1024 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return false
	}
	for token := range strings.SplitSeq(key, ".") {
		if token == "" || token == "*" || token == ">" {
			return false
		}
	}
	return true
}
