package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// headerMade is a header of an entry that was imported: when it was made where
// it comes from (RFC 3339), by which an entry of a user cuts tokens.
const headerMade = "Weft-Made"

// An Entry is an entry of a bucket, as it is carried from one Weft to another.
type Entry struct {
	Bucket  string // blacklist or routes
	Key     string // as in the bucket, escaped
	Value   []byte
	Made    time.Time
	Expires time.Time // zero: it stays
}

// carried are the buckets that are exported, in this order: what cuts comes
// before what opens.
var carried = []string{bucketBlacklist, bucketRoutes}

// exportIdle is how long an export waits for a copy that is behind the leader.
const exportIdle = time.Second

// Export hands every entry of blacklist and routes to fn, one after the other,
// until it fails. A bucket that is not there has none. An entry that is made
// meanwhile may be missing, and one that changes may come twice, the newer last.
// It fails with ErrUnavailable when not all could be read.
func (n *Node) Export(ctx context.Context, fn func(Entry) error) error {
	if err := n.opened(); err != nil {
		return err
	}
	for _, bucket := range carried {
		if err := exportBucket(ctx, n.control.js, bucket, fn); err != nil {
			return fmt.Errorf("export bucket %s: %w", bucket, err)
		}
	}
	return nil
}

func exportBucket(ctx context.Context, store js.JetStream, bucket string, fn func(Entry) error) error {
	try, cancel := context.WithTimeout(ctx, askTry)
	defer cancel()
	stream, err := store.Stream(try, "KV_"+bucket)
	if errors.Is(err, js.ErrStreamNotFound) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	info := stream.CachedInfo()
	if info.State.Msgs == 0 {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c, err := consume(ctx, store, "KV_"+bucket, js.ConsumerConfig{DeliverPolicy: js.DeliverLastPerSubjectPolicy})
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	defer c.Stop()
	// The copy that is read may be behind the leader; what it lacks comes at the
	// end. The newest message may also be gone by now, so the wait is bounded.
	idle := time.AfterFunc(exportIdle, c.Stop)
	defer idle.Stop()
	for left := c.Pending; ; {
		s, more, err := c.Next()
		if err != nil {
			if ctx.Err() != nil || left > 0 {
				return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
			}
			return nil
		}
		left = more
		if e, ok := entryOf(bucket, &s, info.Config.MaxAge); ok {
			if err := fn(e); err != nil {
				return err
			}
		}
		if more == 0 && s.Seq >= info.State.LastSeq {
			return nil
		}
		idle.Reset(exportIdle)
	}
}

// entryOf reads an entry from the bucket's stream, whose messages live for age.
func entryOf(bucket string, s *event.Stored, age time.Duration) (Entry, bool) {
	if deleted(s) {
		return Entry{}, false
	}
	e := Entry{Bucket: bucket, Key: strings.TrimPrefix(s.Subject, "$KV."+bucket+"."), Value: s.Data, Made: madeAt(s)}
	if life := lifeOf(s, age); life > 0 {
		e.Expires = s.Time().Add(life)
	}
	return e, true
}

// deleted reports whether a message of a bucket says that the entry is gone:
// deleted, purged or expired.
func deleted(s *event.Stored) bool {
	return event.LastValue(s.Header, "KV-Operation") != "" || event.LastValue(s.Header, "Nats-Marker-Reason") != ""
}

// madeAt is when the entry was made, here or where it was imported from.
func madeAt(s *event.Stored) time.Time {
	stored := s.Time()
	if t, err := time.Parse(time.RFC3339, event.LastValue(s.Header, headerMade)); err == nil && t.Before(stored) {
		return t
	}
	return stored
}

// lifeOf is how long the entry lives after it was stored, at most age; with an
// age of 0 for ever, which is 0, too.
func lifeOf(s *event.Stored, age time.Duration) time.Duration {
	ttl, err := time.ParseDuration(event.LastValue(s.Header, headerTTL))
	if err != nil || ttl <= 0 {
		return age
	}
	if age > 0 {
		return min(age, ttl)
	}
	return ttl
}
