package jetstream

import (
	"context"
	"fmt"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// provePause is the time between two proofs that the blacklist is current. It
// bounds how late a node learns of an entry whose consumer has died with the
// node that it lived on.
const provePause = 400 * time.Millisecond

// proveAlone is the same on a standalone node, where the consumer dies with the
// node.
const proveAlone = 2 * time.Second

// proveBlacklist asks the bucket's leader again and again, until ctx ends,
// whether there is anything that the mirror does not have, and enters it. The
// consumer is quicker, but it lives on one node, and for some seconds nobody
// notices that it has gone with it.
func (n *Node) proveBlacklist(ctx context.Context) {
	pause := provePause
	if !n.Clustered() {
		pause = proveAlone
	}
	t := time.NewTicker(pause)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if n.blacklist.Loaded() {
			n.prove(ctx)
		}
	}
}

// prove brings the mirror up to date. A leader that is cut off proves nothing:
// it does not know what the others have agreed on.
func (n *Node) prove(ctx context.Context) {
	b := n.blacklist
	for {
		asked := time.Now()
		bucket, after := b.position()
		s, err := n.nextChange(ctx, after+1)
		if err != nil || n.cfg.Cluster != nil && n.members.linkedFor() == 0 {
			return
		}
		if now, _ := b.position(); !now.Equal(bucket) {
			return // it was made anew meanwhile
		}
		if s == nil {
			b.mu.Lock()
			if !b.remaking {
				b.proved = asked
			}
			b.mu.Unlock()
			return
		}
		b.apply(s)
	}
}

func (b *Blacklist) isProved() bool {
	_, ok := b.Staleness()
	return ok
}

func (b *Blacklist) position() (bucket time.Time, applied uint64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.bucketMade, b.applied
}

// Staleness is the age of the last proof that the mirror has everything that
// the bucket has: some tenths of a second while the bucket's leader can be
// reached, up to two seconds on a standalone node, and growing while it cannot. ok
// is false before the first one.
func (b *Blacklist) Staleness() (age time.Duration, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.proved.IsZero() {
		return 0, false
	}
	return time.Since(b.proved), true
}

// nextChange asks the bucket's leader for the first change from a sequence on;
// nil means that there is none.
func (n *Node) nextChange(ctx context.Context, from uint64) (*event.Stored, error) {
	try, cancel := context.WithTimeout(ctx, api.StartTry)
	defer cancel()
	m, err := api.AskLeader(try, n.control.conn, streamBlacklist, api.Query{NextFor: keyPrefix + ">", Seq: from})
	if err != nil {
		if api.IsCode(err, api.CodeNoStream) {
			n.blacklist.miss()
		}
		return nil, fmt.Errorf("%w: ask for the blacklist: %w", api.ErrUnavailable, err)
	}
	if m == nil {
		return nil, nil
	}
	s := &event.Stored{Subject: m.Subject, Seq: m.Seq, StoredAt: m.Time}
	if s.Data, err = m.Data(); err != nil {
		return nil, err
	}
	if s.Header, err = m.Header(); err != nil {
		return nil, err
	}
	return s, nil
}
