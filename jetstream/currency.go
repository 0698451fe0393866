package jetstream

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
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
func (n *Node) nextChange(ctx context.Context, from uint64) (*Stored, error) {
	req, err := json.Marshal(leaderQuery{NextFor: keyPrefix + ">", Seq: from})
	if err != nil {
		return nil, err
	}
	try, cancel := context.WithTimeout(ctx, startTry)
	defer cancel()
	m, err := n.control.conn.RequestWithContext(try, "$JS.API.STREAM.MSG.GET."+streamBlacklist, req)
	if err != nil {
		return nil, fmt.Errorf("%w: ask for the blacklist: %w", ErrUnavailable, err)
	}
	var resp struct {
		Error   *apiError `json:"error"`
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  string    `json:"hdrs"`
			Data    string    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &resp); err != nil {
		return nil, fmt.Errorf("%w: ask for the blacklist: %w", ErrUnavailable, err)
	}
	if resp.Error != nil {
		switch resp.Error.ErrCode {
		case errCodeNoMessage:
			return nil, nil
		case errCodeNoStream:
			n.blacklist.miss()
		}
		return nil, fmt.Errorf("%w: ask for the blacklist: %w", ErrUnavailable, resp.Error)
	}
	s := &Stored{Subject: resp.Message.Subject, Seq: resp.Message.Seq, stored: resp.Message.Time}
	if s.Data, err = base64.StdEncoding.DecodeString(resp.Message.Data); err != nil {
		return nil, fmt.Errorf("%w: read a change of the blacklist: %w", ErrUnavailable, err)
	}
	header, err := base64.StdEncoding.DecodeString(resp.Message.Header)
	if err != nil {
		return nil, fmt.Errorf("%w: read a change of the blacklist: %w", ErrUnavailable, err)
	}
	if len(header) > 0 {
		// An entry whose headers cannot be read counts as one without.
		s.Header, _ = nats.DecodeHeadersMsg(header)
	}
	return s, nil
}
