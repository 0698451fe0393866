package jetstream

import (
	"container/list"
	"context"
	"hash/maphash"
	"sync"
)

const (
	// maxLookupIDs bounds the ids that look-ups remember, all together.
	maxLookupIDs = 1 << 20
	// lookupBytes bounds one read of a look-up.
	lookupBytes = 4 << 20
)

// lookups remember which message ids are stored under which subjects, so that
// looking up many records of few subjects reads each message once.
type lookups struct {
	seed maphash.Seed

	mu       sync.Mutex
	subjects map[string]*list.Element
	recent   *list.List // of *lookup, most recently used first
	ids      int
}

type lookup struct {
	subject string

	mu   sync.Mutex
	next uint64 // first sequence not read yet
	ids  map[uint64]struct{}
}

func newLookups() *lookups {
	return &lookups{seed: maphash.MakeSeed(), subjects: make(map[string]*list.Element), recent: list.New()}
}

// HasID reports whether a message with this id is stored under subject, however
// long ago it was published. It fails with ErrUnavailable when nobody answers.
func (n *Node) HasID(ctx context.Context, subject, id string) (bool, error) {
	l := n.lookups.of(subject)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := maphash.String(n.lookups.seed, id)
	if _, ok := l.ids[key]; ok {
		return true, nil
	}
	for {
		b, err := n.Read(ctx, subject, l.next, MaxBatch, lookupBytes)
		if err != nil {
			return false, err
		}
		before := len(l.ids)
		for i := range b.Messages {
			l.next = b.Messages[i].Seq + 1
			if id := b.Messages[i].MsgID(); id != "" {
				l.ids[maphash.String(n.lookups.seed, id)] = struct{}{}
			}
		}
		n.lookups.grew(len(l.ids) - before)
		if b.Pending == 0 || len(b.Messages) == 0 {
			_, ok := l.ids[key]
			return ok, nil
		}
	}
}

func (s *lookups) of(subject string) *lookup {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.subjects[subject]; ok {
		s.recent.MoveToFront(e)
		return e.Value.(*lookup)
	}
	l := &lookup{subject: subject, next: 1, ids: make(map[uint64]struct{})}
	s.subjects[subject] = s.recent.PushFront(l)
	s.ids++ // an empty one has its cost, too
	return l
}

// grew counts n more ids and forgets the subjects that were not asked for the
// longest when there are too many.
func (s *lookups) grew(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids += n
	for s.ids > maxLookupIDs && s.recent.Len() > 1 {
		e := s.recent.Back()
		l := e.Value.(*lookup)
		if !l.mu.TryLock() {
			break // in use: another call will make room
		}
		s.ids -= len(l.ids) + 1
		l.mu.Unlock()
		s.recent.Remove(e)
		delete(s.subjects, l.subject)
	}
}
