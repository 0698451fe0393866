package jetstream

import (
	"container/list"
	"context"
	"hash/maphash"
	"sync"

	"weft/jetstream/event"
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
	read int    // messages read so far
	ids  map[uint64]struct{}
	// oldest is the lowest number of each series of ids, see event.SplitSeries.
	oldest map[uint64]int64
}

func newLookups() *lookups {
	return &lookups{seed: maphash.MakeSeed(), subjects: make(map[string]*list.Element), recent: list.New()}
}

// HasID reports whether a message with this id was stored under subject, however
// long ago it was published. One that the limit per subject has removed since is
// known by its series: a Kafka record's id that is below all that are stored of its
// partition, under a subject that is full, was stored before them. HasID fails with
// ErrUnavailable when nobody answers.
//
// Ids are compared without the stream's secret, which all that are ours have. So
// those are known, too, that were stored before the stream had one.
func (n *Node) HasID(ctx context.Context, subject string, name event.MsgID) (bool, error) {
	id := name.Text("", subject)[1:]
	l := n.lookups.of(subject)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := n.lookups.hash(id)
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
			l.note(n.lookups, n.bare(event.FirstValue(b.Messages[i].Header, event.HeaderMsgID)))
		}
		n.lookups.grew(len(l.ids) - before)
		if b.Pending == 0 || len(b.Messages) == 0 {
			_, ok := l.ids[key]
			return ok || l.removed(n.lookups, id, n.cfg.Events.MaxPerSubject), nil
		}
	}
}

// note remembers the bare id of a stored message, "" for none.
func (l *lookup) note(s *lookups, id string) {
	l.read++
	if id == "" {
		return
	}
	l.ids[s.hash(id)] = struct{}{}
	if series, number, ok := event.SplitSeries(id, l.subject); ok {
		key := s.hash(series)
		if oldest, known := l.oldest[key]; !known || number < oldest {
			l.oldest[key] = number
		}
	}
}

// removed reports whether a message that is not there was removed by the limit
// per subject.
func (l *lookup) removed(s *lookups, id string, limit int) bool {
	series, number, ok := event.SplitSeries(id, l.subject)
	if !ok || l.read < limit {
		return false
	}
	oldest, known := l.oldest[s.hash(series)]
	return known && number < oldest
}

func (s *lookups) hash(id string) uint64 { return maphash.String(s.seed, id) }

func (s *lookups) of(subject string) *lookup {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.subjects[subject]; ok {
		s.recent.MoveToFront(e)
		return e.Value.(*lookup)
	}
	l := &lookup{subject: subject, next: 1, ids: make(map[uint64]struct{}), oldest: make(map[uint64]int64)}
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
