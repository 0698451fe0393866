package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
)

const (
	// MaxImport is the most entries that one Import takes.
	MaxImport = 512
	// maxEntryValue bounds the value of an entry, in bytes.
	maxEntryValue = 1 << 20
	// importWait bounds one Import.
	importWait = 20 * time.Second
)

// An EntryError is an entry that no bucket can take.
type EntryError struct {
	Index int // of the entries that were to be imported
	Msg   string
}

func (e *EntryError) Error() string { return e.Msg }

// Imported counts what became of entries.
type Imported struct {
	Stored    int `json:"stored"`
	Unchanged int `json:"unchanged"` // the same, or for the blacklist a stricter one, was there
	Expired   int `json:"expired"`   // cuts no token any more
}

// Import puts up to MaxImport entries into their buckets and returns after they
// are stored. An entry of the blacklist keeps the time it was made and lives for
// what is left of its life; one that is there and cuts more stays as it is. A route
// replaces one of its name. Doing it again changes nothing.
//
// Its errors are *EntryError, with which nothing was stored, and ErrUnavailable
// and ErrDiskFull, with which some may have been.
func (n *Node) Import(ctx context.Context, entries []Entry) (Imported, error) {
	for i, e := range entries {
		if msg := e.problem(); msg != "" {
			return Imported{}, &EntryError{i, msg}
		}
	}
	if err := n.opened(); err != nil {
		return Imported{}, err
	}
	if !n.blacklist.Loaded() {
		return Imported{}, fmt.Errorf("%w: the blacklist is not loaded", api.ErrUnavailable)
	}
	if n.disk.full() {
		return Imported{}, api.ErrDiskFull
	}
	return n.putEntries(ctx, entries)
}

// putEntries is Import for entries that have been checked.
func (n *Node) putEntries(ctx context.Context, entries []Entry) (Imported, error) {
	ctx, cancel := context.WithTimeout(ctx, importWait)
	defer cancel()
	plan := importPlan{now: time.Now(), messages: map[string]*nats.Msg{}, cuts: map[string]BlacklistEntry{}}
	for _, e := range entries {
		var err error
		if e.Bucket == bucketBlacklist {
			n.blacklist.plan(&plan, &e)
		} else {
			err = n.planRoute(ctx, &plan, &e)
		}
		if err != nil {
			return Imported{}, err
		}
	}
	if err := n.putAll(ctx, plan.messages); err != nil {
		return Imported{}, err
	}
	return plan.done, n.blacklist.await(ctx, plan.cuts)
}

// problem says why no bucket can take the entry, "" when one can.
func (e *Entry) problem() string {
	switch {
	case !slices.Contains(carried, e.Bucket):
		return fmt.Sprintf("there is no bucket %q; it is blacklist or routes", e.Bucket)
	case !isKey(e.Key):
		return fmt.Sprintf("%.100q is no key: other bytes than letters, digits, - and _ are written =XX", e.Key)
	case len(e.Value) > maxEntryValue:
		return fmt.Sprintf("the value has more than %d bytes", maxEntryValue)
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

// putAll writes messages into buckets side by side and returns when all are
// stored. What is not acknowledged is sent again, which changes nothing.
func (n *Node) putAll(ctx context.Context, messages map[string]*nats.Msg) error {
	for todo := slices.Collect(maps.Values(messages)); len(todo) > 0; {
		var err error
		if todo, err = n.putRound(ctx, todo); errors.Is(err, api.ErrRefused) {
			return err
		} else if len(todo) == 0 {
			break
		}
		if !api.Sleep(ctx, api.WritePause) {
			return fmt.Errorf("%w: %d entries are not acknowledged: %w", api.ErrUnavailable, len(todo), err)
		}
	}
	return nil
}

// putRound sends messages once and returns those that were not acknowledged.
func (n *Node) putRound(ctx context.Context, todo []*nats.Msg) (left []*nats.Msg, err error) {
	reply, answers, done := n.control.replies.Expect(len(todo))
	defer done()
	open := make(map[string]*nats.Msg, len(todo))
	for i, m := range todo {
		m.Reply = fmt.Sprintf("%s.%d", reply, i)
		open[m.Reply] = m
		if err := n.control.conn.PublishMsg(m); err != nil {
			return todo, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
	}
	silence := time.NewTimer(api.WriteTry)
	defer silence.Stop()
	for range todo {
		select {
		case <-ctx.Done():
			return slices.Collect(maps.Values(open)), ctx.Err()
		case <-silence.C:
			return slices.Collect(maps.Values(open)), errors.New("no answer")
		case a := <-answers:
			silence.Reset(api.WriteTry)
			if _, err = api.AckOf(a); err == nil || errors.Is(err, api.ErrExists) {
				delete(open, a.Subject)
			}
			if errors.Is(err, api.ErrRefused) {
				return nil, err
			}
		}
	}
	return slices.Collect(maps.Values(open)), err
}
