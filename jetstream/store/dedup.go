package store

import (
	"container/list"
	"context"
	"hash/maphash"
	"sync"
	"time"

	"weft/jetstream/event"
)

const (
	// maxIDs bounds the ids that look-ups remember, all together.
	maxIDs = 1 << 20
	// dedupBytes bounds one read of a look-up.
	dedupBytes = 4 << 20
	// dedupTrust is for how long a subject that was read is not read again, at most.
	// What was stored since then is known to the stream itself, whose window is four
	// times as long: there is time left to publish what was looked up.
	dedupTrust = duplicateWindow / 4
)

// Deduplication finds what is stored already, beyond the window in which the stream
// does so itself. It remembers which message ids are stored under which subjects, so
// that looking up many records of few subjects reads each message once.
type Deduplication struct {
	stream *Stream
	reader *Reader
	seed   maphash.Seed

	mu       sync.Mutex
	subjects map[string]*list.Element
	recent   *list.List // of *knownIDs, most recently used first
	ids      int
}

// knownIDs are those of one subject.
type knownIDs struct {
	subject string

	mu   sync.Mutex
	next uint64 // first sequence not read yet
	read int    // messages read so far
	// asked is when it was last read to its end.
	asked time.Time
	ids   map[uint64]struct{}
	// oldest is the lowest number of each series of ids, see event.SplitSeries.
	oldest map[uint64]int64
}

func newDeduplication(s *Stream, r *Reader) *Deduplication {
	return &Deduplication{stream: s, reader: r, seed: maphash.MakeSeed(), subjects: make(map[string]*list.Element), recent: list.New()}
}

// HasID reports whether a message with this id was stored under subject, however
// long ago it was published. One that the limit per subject has removed since is
// known by its series: a Kafka record's id that is below all that are stored of its
// partition, under a subject that is full, was stored before them. HasID fails with
// ErrUnavailable when nobody answers. One that was stored within the last half minute
// may be missed: who publishes it again soon is told by the stream that it is a duplicate.
//
// Ids are compared without the stream's secret, which all that are ours have. So
// those are known, too, that were stored before the stream had one.
func (d *Deduplication) HasID(ctx context.Context, subject string, name event.MsgID) (bool, error) {
	id := name.Text("", subject)[1:]
	l := d.of(subject)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := d.hash(id)
	if _, ok := l.ids[key]; ok {
		return true, nil
	}
	for {
		if time.Since(l.asked) < min(dedupTrust, d.stream.params.Limits.MaxAge/4) {
			return l.removed(d, id, d.stream.params.Limits.MaxPerSubject), nil
		}
		began := time.Now()
		b, err := d.reader.Read(ctx, subject, l.next, MaxBatch, dedupBytes)
		if err != nil {
			return false, err
		}
		before := len(l.ids)
		for i := range b.Messages {
			l.next = b.Messages[i].Seq + 1
			l.note(d, d.stream.bare(event.FirstValue(b.Messages[i].Header, event.HeaderMsgID)))
		}
		d.grew(len(l.ids) - before)
		if b.Pending == 0 || len(b.Messages) == 0 {
			l.asked = began
			_, ok := l.ids[key]
			return ok || l.removed(d, id, d.stream.params.Limits.MaxPerSubject), nil
		}
	}
}

// note remembers the bare id of a stored message, "" for none.
func (l *knownIDs) note(d *Deduplication, id string) {
	l.read++
	if id == "" {
		return
	}
	l.ids[d.hash(id)] = struct{}{}
	if series, number, ok := event.SplitSeries(id, l.subject); ok {
		key := d.hash(series)
		if oldest, known := l.oldest[key]; !known || number < oldest {
			l.oldest[key] = number
		}
	}
}

// removed reports whether a message that is not there was removed by the limit
// per subject.
func (l *knownIDs) removed(d *Deduplication, id string, limit int) bool {
	series, number, ok := event.SplitSeries(id, l.subject)
	if !ok || l.read < limit {
		return false
	}
	oldest, known := l.oldest[d.hash(series)]
	return known && number < oldest
}

func (d *Deduplication) hash(id string) uint64 { return maphash.String(d.seed, id) }

func (d *Deduplication) of(subject string) *knownIDs {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e, ok := d.subjects[subject]; ok {
		d.recent.MoveToFront(e)
		return e.Value.(*knownIDs)
	}
	l := &knownIDs{subject: subject, next: 1, ids: make(map[uint64]struct{}), oldest: make(map[uint64]int64)}
	d.subjects[subject] = d.recent.PushFront(l)
	d.ids++ // an empty one has its cost, too
	return l
}

// grew counts n more ids and forgets the subjects that were not asked for the
// longest when there are too many.
func (d *Deduplication) grew(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ids += n
	for d.ids > maxIDs && d.recent.Len() > 1 {
		e := d.recent.Back()
		l := e.Value.(*knownIDs)
		if !l.mu.TryLock() {
			break // in use: another call will make room
		}
		d.ids -= len(l.ids) + 1
		l.mu.Unlock()
		d.recent.Remove(e)
		delete(d.subjects, l.subject)
	}
}
