package jetstream

import (
	"container/list"
	"context"
	"hash/maphash"
	"strconv"
	"strings"
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
	read int    // messages read so far
	ids  map[uint64]struct{}
	// oldest is the lowest number of each series of ids, see splitSeries.
	oldest map[uint64]int64
}

func newLookups() *lookups {
	return &lookups{seed: maphash.MakeSeed(), subjects: make(map[string]*list.Element), recent: list.New()}
}

// HasID reports whether a message with this id was stored under subject, however
// long ago it was published. One that the limit per subject has removed since is
// known by its series: a numbered id that is below all that are stored of its
// series, under a subject that is full, was stored before them. HasID fails with
// ErrUnavailable when nobody answers.
func (n *Node) HasID(ctx context.Context, subject, id string) (bool, error) {
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
			l.note(n.lookups, b.Messages[i].MsgID())
		}
		n.lookups.grew(len(l.ids) - before)
		if b.Pending == 0 || len(b.Messages) == 0 {
			_, ok := l.ids[key]
			return ok || l.removed(n.lookups, id, n.cfg.Events.MaxPerSubject), nil
		}
	}
}

// note remembers the id of a stored message, "" for none.
func (l *lookup) note(s *lookups, id string) {
	l.read++
	if id == "" {
		return
	}
	l.ids[s.hash(id)] = struct{}{}
	if series, number, ok := splitSeries(id, l.subject); ok {
		key := s.hash(series)
		if oldest, known := l.oldest[key]; !known || number < oldest {
			l.oldest[key] = number
		}
	}
}

// removed reports whether a message that is not there was removed by the limit
// per subject.
func (l *lookup) removed(s *lookups, id string, limit int) bool {
	series, number, ok := splitSeries(id, l.subject)
	if !ok || l.read < limit {
		return false
	}
	oldest, known := l.oldest[s.hash(series)]
	return known && number < oldest
}

// splitSeries splits an id of the form series/number/subject, such as that of a
// Kafka record, whose number is its offset. Messages of one series are stored in
// the order of their numbers.
func splitSeries(id, subject string) (series string, number int64, ok bool) {
	head, ok := strings.CutSuffix(id, "/"+subject)
	if !ok || !strings.HasPrefix(head, "k/") {
		return "", 0, false
	}
	i := strings.LastIndexByte(head, '/')
	number, err := strconv.ParseInt(head[i+1:], 10, 64)
	return head[:i], number, err == nil
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
