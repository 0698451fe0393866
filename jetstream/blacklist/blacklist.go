// Package blacklist holds what cuts tokens before their time: sessions, and all tokens
// of a user. It is the bucket blacklist, watched in memory, so that whether a token is
// revoked is a look-up.
package blacklist

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/api"
	"weft/jetstream/kv"
	"weft/jetstream/subject"
)

const (
	// markerTTL is how long the bucket keeps the trace of an expired entry, by
	// which a Watch learns of it.
	markerTTL = time.Minute
	// userKey begins the key of an entry that cuts all tokens of a user.
	userKey = "user."
	// reasonValue begins a value that clients are told. What else stands in a value is
	// for operators.
	reasonValue = "reason:"
)

// Reason is what clients are told by the value of an entry, "" for nothing.
func Reason(value string) string {
	said, ok := strings.CutPrefix(value, reasonValue)
	if !ok {
		return ""
	}
	return strings.TrimSpace(said)
}

// Because is the value of an entry whose clients are told a reason; "" is none.
func Because(reason string) string {
	if reason == "" {
		return ""
	}
	return reasonValue + " " + reason
}

// An Entry cuts one session, or all tokens of a user that were issued
// up to a time.
type Entry struct {
	Key     string    // in the bucket: an escaped session id, or user.<escaped user>
	Session string    // unescaped; "" for a user's entry
	User    string    // unescaped; "" for a session's entry
	Value   string    // as it was put; any
	Made    time.Time // when it was put, here or where it was imported from
	// Before is set for a user's entry: tokens whose iat is missing or not
	// later are cut. It is the value if that is a time (RFC 3339), else Made.
	Before  time.Time
	Expires time.Time // when it goes
	// Reason is what the clients that the entry cuts are told: what follows reasonValue in
	// the value. It is as it was put; "" for nothing.
	Reason string
	// Problem says why the entry can never match a token; "" if it can.
	Problem string
}

func newEntry(key, value string, made, expires time.Time) Entry {
	e := Entry{Key: key, Value: value, Made: made, Expires: expires}
	e.Reason = Reason(value)
	var err error
	if token, ok := strings.CutPrefix(key, userKey); ok {
		if e.User, err = subject.Unescape(token); err == nil {
			e.Before = made
			if t, err := time.Parse(time.RFC3339, strings.TrimSpace(value)); err == nil {
				e.Before = t
			}
		}
	} else {
		e.Session, err = subject.Unescape(key)
	}
	if err != nil {
		e.Problem = "the key is not an escaped session id, nor user.<escaped user>: " +
			"write every byte but letters, digits, - and _ as =XX"
	}
	return e
}

// A Blacklist is the bucket in memory; the Watch's keys are those of the bucket, names of
// others are unescaped. Its methods may be called concurrently.
type Blacklist struct {
	*kv.Watch[Entry]
	life    time.Duration // of an entry without its own
	account *kv.Account
	bucket  js.KeyValueConfig
}

// A Config says how the bucket is kept.
type Config struct {
	Life     time.Duration // of an entry without its own, and the longest
	Replicas int
	MaxBytes int64
	Watch    kv.WatchConfig // but for its bucket
}

// Bucket is how the bucket must be.
func (b *Blacklist) Bucket() js.KeyValueConfig { return b.bucket }

// New makes a Blacklist that is not loaded.
func New(cfg Config, reg prometheus.Registerer) *Blacklist {
	cfg.Watch.Bucket = js.KeyValueConfig{Bucket: kv.Blacklist, Description: "revoked sessions and users", History: 1, TTL: cfg.Life,
		LimitMarkerTTL: markerTTL, Storage: js.FileStorage, Replicas: cfg.Replicas, MaxBytes: cfg.MaxBytes}
	b := &Blacklist{life: cfg.Life, account: cfg.Watch.Account, bucket: cfg.Watch.Bucket}
	b.Watch = kv.NewWatch[Entry](cfg.Watch, folder{b})
	b.OnChange(func(_ string, e Entry, there bool) {
		if there && e.Problem != "" {
			cfg.Watch.Log.Warn("blacklist entry can never match", "key", e.Key, "problem", e.Problem)
		}
	})
	b.measure(reg)
	return b
}

// measure shows what is read when it is asked for.
func (b *Blacklist) measure(reg prometheus.Registerer) {
	show := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weft_jetstream_blacklist_" + name, Help: help}, value))
	}
	show("entries", "Entries of the blacklist.", func() float64 { return float64(b.Len()) })
	show("staleness_seconds", "Age of the last proof that the node has every entry of the blacklist; NaN before the first one.",
		func() float64 {
			age, ok := b.Staleness()
			if !ok {
				return math.NaN()
			}
			return age.Seconds()
		})
}

// folder remembers entries: what was said last of a key counts.
type folder struct{ *Blacklist }

func (f folder) Fold(_ Entry, c *kv.Change) (now Entry, keep bool) {
	if c.Gone {
		return Entry{}, false
	}
	return newEntry(c.Key, string(c.Value), c.Made, c.Expires), true
}

func (f folder) Restore(_ string, e Entry) []*nats.Msg {
	return []*nats.Msg{f.messageOf(&e, time.Now())}
}

// Revoked reports whether a token is cut; issued is zero when it has no iat. It
// is a look-up in memory. Before the bucket is loaded everything is revoked.
func (b *Blacklist) Revoked(session, user string, issued time.Time) bool {
	if !b.Loaded() {
		return true
	}
	if b.Len() == 0 {
		return false
	}
	if session != "" {
		// A session id that cannot be a key cannot have been revoked.
		if key, err := subject.Escape(session); err == nil {
			if _, cut := b.Get(key); cut {
				return true
			}
		}
	}
	if user != "" {
		if token, err := subject.Escape(user); err == nil {
			if e, ok := b.Get(userKey + token); ok && e.Cuts(session, user, issued) {
				return true
			}
		}
	}
	return false
}

// Cuts reports whether this entry cuts the token.
func (e *Entry) Cuts(session, user string, issued time.Time) bool {
	switch {
	case e.Problem != "":
		return false
	case e.User != "":
		return e.User == user && (issued.IsZero() || !issued.After(e.Before))
	default:
		return e.Session == session
	}
}

// OnEntry registers fn for every entry that is made from now on. It may be
// called concurrently and must not block.
func (b *Blacklist) OnEntry(fn func(Entry)) {
	b.OnChange(func(_ string, e Entry, there bool) {
		if there {
			fn(e)
		}
	})
}

// List returns up to limit entries with keys after the given one, in order.
func (b *Blacklist) List(after string, limit int) []Entry {
	all := b.All()
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(k string) bool { return k <= after })
	list := make([]Entry, 0, min(limit, len(keys)))
	for _, k := range keys {
		if len(list) == limit {
			break
		}
		list = append(list, all[k])
	}
	return list
}

// Find returns the entry of a session id, or of "user.<user>", both unescaped.
func (b *Blacklist) Find(name string) (Entry, bool) {
	key, err := keyOf(name)
	if err != nil {
		return Entry{}, false
	}
	e, ok := b.Get(key)
	return e, ok
}

func keyOf(name string) (string, error) {
	prefix := ""
	if user, ok := strings.CutPrefix(name, userKey); ok {
		name, prefix = user, userKey
	}
	token, err := subject.Escape(name)
	if err != nil {
		return "", fmt.Errorf("bad blacklist name: %w", err)
	}
	return prefix + token, nil
}

// Put cuts a session id, or all tokens of a user ("user.<user>"), and returns
// after the entry is stored. It lives for ttl, at most (and with 0) as long as
// the bucket keeps entries. Its errors are subject.ErrToken and ErrUnavailable.
func (b *Blacklist) Put(ctx context.Context, name, value string, ttl time.Duration) error {
	key, err := keyOf(name)
	if err != nil {
		return err
	}
	if value == "" {
		value = "revoked"
	}
	life := time.Duration(0) // the bucket's own
	if ttl > 0 && ttl < b.life {
		life = ttl
	}
	return b.send(ctx, kv.Message(kv.Blacklist, key, []byte(value), life))
}

// Delete takes an entry away. One that is not there is fine.
func (b *Blacklist) Delete(ctx context.Context, name string) error {
	key, err := keyOf(name)
	if err != nil {
		return err
	}
	return b.send(ctx, kv.Deletion(kv.Blacklist, key))
}

// send publishes into the bucket.
func (b *Blacklist) send(ctx context.Context, m *nats.Msg) error {
	if !b.Loaded() {
		return notLoaded()
	}
	ctx, cancel := context.WithTimeout(ctx, api.WriteWait)
	defer cancel()
	return b.account.Put(ctx, m)
}

func notLoaded() error { return fmt.Errorf("%w: the blacklist is not loaded", api.ErrUnavailable) }
