package jetstream

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/subject"
)

const (
	bucketBlacklist = "blacklist"
	streamBlacklist = "KV_" + bucketBlacklist
	bucketRoutes    = "routes"
	// keyPrefix begins the subjects of the bucket's keys.
	keyPrefix = "$KV." + bucketBlacklist + "."
	// markerTTL is how long the bucket keeps the trace of an expired entry, by
	// which the mirrors learn of it.
	markerTTL = time.Minute
	// userKey begins the key of an entry that cuts all tokens of a user.
	userKey = "user."
	// headerTTL is the header of a per-message time to live (ADR-43).
	headerTTL = "Nats-TTL"
)

// A BlacklistEntry cuts one session, or all tokens of a user that were issued
// up to a time.
type BlacklistEntry struct {
	Key     string    // in the bucket: an escaped session id, or user.<escaped user>
	Session string    // unescaped; "" for a user's entry
	User    string    // unescaped; "" for a session's entry
	Value   string    // as it was put; any
	Made    time.Time // when it was put, here or where it was imported from
	// Before is set for a user's entry: tokens whose iat is missing or not
	// later are cut. It is the value if that is a time (RFC 3339), else Made.
	Before  time.Time
	Expires time.Time // when it goes
	// Problem says why the entry can never match a token; "" if it can.
	Problem string

	seq uint64 // in the bucket's stream
}

func newEntry(key, value string, made, expires time.Time) BlacklistEntry {
	e := BlacklistEntry{Key: key, Value: value, Made: made, Expires: expires}
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

// A Blacklist mirrors the bucket blacklist into memory. Its methods may be
// called concurrently.
type Blacklist struct {
	log   *slog.Logger
	life  time.Duration // of an entry without its own
	conn  *nats.Conn
	count func(n int) // for the metric

	mu      sync.RWMutex
	loaded  bool
	entries map[string]BlacklistEntry
	fns     []func(BlacklistEntry)
	// applied is the newest sequence of the bucket that was entered; bucketMade
	// says of which bucket.
	applied    uint64
	bucketMade time.Time
	proved     time.Time // when the mirror was last known to have everything
	// remaking is set while the bucket is gone, and until the one that takes its
	// place has what the mirror has.
	remaking bool
	gone     chan struct{} // gets a token when the bucket is missed
}

// Revoked reports whether a token is cut; issued is zero when it has no iat. It
// is a look-up in memory. Before the mirror is loaded everything is revoked.
func (b *Blacklist) Revoked(session, user string, issued time.Time) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if !b.loaded {
		return true
	}
	if len(b.entries) == 0 {
		return false
	}
	if session != "" {
		// A session id that cannot be a key cannot have been revoked.
		if key, err := subject.Escape(session); err == nil {
			if _, ok := b.entries[key]; ok {
				return true
			}
		}
	}
	if user != "" {
		if token, err := subject.Escape(user); err == nil {
			if e, ok := b.entries[userKey+token]; ok && e.Cuts(session, user, issued) {
				return true
			}
		}
	}
	return false
}

// Cuts reports whether this entry cuts the token.
func (e *BlacklistEntry) Cuts(session, user string, issued time.Time) bool {
	switch {
	case e.Problem != "":
		return false
	case e.User != "":
		return e.User == user && (issued.IsZero() || !issued.After(e.Before))
	default:
		return e.Session == session
	}
}

// Loaded reports whether the mirror is complete.
func (b *Blacklist) Loaded() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.loaded
}

// OnEntry registers fn for every entry that is made from now on. It may be
// called concurrently and must not block.
func (b *Blacklist) OnEntry(fn func(BlacklistEntry)) {
	b.mu.Lock()
	b.fns = append(b.fns, fn)
	b.mu.Unlock()
}

// List returns up to limit entries with keys after the given one, in order.
func (b *Blacklist) List(after string, limit int) []BlacklistEntry {
	b.mu.RLock()
	defer b.mu.RUnlock()
	keys := make([]string, 0, len(b.entries))
	for k := range b.entries {
		if k > after {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	list := make([]BlacklistEntry, 0, min(limit, len(keys)))
	for _, k := range keys[:min(limit, len(keys))] {
		list = append(list, b.entries[k])
	}
	return list
}

// Get returns the entry of a session id, or of "user.<user>", both unescaped.
func (b *Blacklist) Get(name string) (BlacklistEntry, bool) {
	key, err := blacklistKey(name)
	if err != nil {
		return BlacklistEntry{}, false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	e, ok := b.entries[key]
	return e, ok
}

func blacklistKey(name string) (string, error) {
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
	key, err := blacklistKey(name)
	if err != nil {
		return err
	}
	if value == "" {
		value = "revoked"
	}
	m := &nats.Msg{Subject: keyPrefix + key, Data: []byte(value), Header: nats.Header{}}
	if ttl > 0 && ttl < b.life {
		m.Header.Set(headerTTL, ttlHeader(ttl))
	}
	return b.send(ctx, m)
}

// ttlHeader is a time to live in whole seconds, rounded up: an entry must not go
// too early.
func ttlHeader(ttl time.Duration) string {
	return fmt.Sprintf("%ds", (ttl+time.Second-1)/time.Second)
}

// Delete takes an entry away. One that is not there is fine.
func (b *Blacklist) Delete(ctx context.Context, name string) error {
	key, err := blacklistKey(name)
	if err != nil {
		return err
	}
	return b.send(ctx, &nats.Msg{Subject: keyPrefix + key,
		Header: nats.Header{"KV-Operation": []string{"DEL"}}})
}

// send publishes into the bucket; saying the same twice does no harm, so it is
// repeated until it is acknowledged.
func (b *Blacklist) send(ctx context.Context, m *nats.Msg) error {
	if !b.Loaded() {
		return fmt.Errorf("%w: the blacklist is not loaded", api.ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(ctx, api.WriteWait)
	defer cancel()
	err := api.Write().Do(ctx, func(ctx context.Context) error {
		resp, err := b.conn.RequestMsgWithContext(ctx, m)
		if err != nil {
			return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
		_, err = api.AckOf(resp)
		return err
	})
	if err != nil {
		return fmt.Errorf("write blacklist: %w", err)
	}
	return nil
}
