package replica

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// span is how many sequences a segment is of; where one is in its segment fits in 16 bits.
const span = 1 << 14

// A segment is a part of the stream, and what is known of it.
type segment struct {
	first uint64 // a multiple of span
	table atomic.Pointer[table]
	taken atomic.Int64 // nanoseconds that looks at what is not in table have taken
	used  atomic.Int64 // when it was asked last, by the index' clock

	build sync.Mutex // one at a time extends the table
}

// A table is an index of a segment up to a sequence. It does not change.
type table struct {
	until   uint64   // the first sequence that it is not of
	hashes  []uint32 // of the subjects, in order; and among the same ones
	offsets []uint16 // in the segment, in order
}

// covers reports whether the table knows of a sequence.
func (t *table) covers(seq uint64) bool { return t != nil && seq < t.until }

// next is the first offset from one on whose subject has this hash.
func (t *table) next(hash uint32, from uint16) (offset uint16, ok bool) {
	for i, _ := slices.BinarySearch(t.hashes, hash); i < len(t.hashes) && t.hashes[i] == hash; i++ {
		if t.offsets[i] >= from {
			return t.offsets[i], true
		}
	}
	return 0, false
}

// extend reads on to the end of the segment, or to a sequence that is known to be stored
// last. It reports false when the copy cannot be read.
func (s *segment) extend(c Copy, last uint64, hash func(subject string) uint32) bool {
	s.build.Lock()
	defer s.build.Unlock()
	end := min(s.first+span, last+1)
	old := s.table.Load()
	from := max(s.first, 1)
	var keys []uint64
	if old != nil {
		if from = old.until; from >= end {
			return true // another one has
		}
		keys = make([]uint64, 0, len(old.hashes)+int(end-from))
		for i, h := range old.hashes {
			keys = append(keys, uint64(h)<<16|uint64(old.offsets[i]))
		}
	} else {
		keys = make([]uint64, 0, end-from)
	}
	for from < end {
		seq, subject, ok := c.Next("", from)
		if !ok {
			return false
		}
		if seq == 0 || seq >= end {
			break
		}
		keys = append(keys, uint64(hash(subject))<<16|(seq-s.first))
		from = seq + 1
	}
	slices.Sort(keys)
	t := &table{until: end, hashes: make([]uint32, len(keys)), offsets: make([]uint16, len(keys))}
	for i, k := range keys {
		t.hashes[i], t.offsets[i] = uint32(k>>16), uint16(k)
	}
	s.table.Store(t)
	s.taken.Store(0)
	return true
}

// look asks the copy itself, and notes what that has taken.
func (s *segment) look(c Copy, subject string, from uint64) (seq uint64, ok bool) {
	began := time.Now()
	seq, _, ok = c.Next(subject, from)
	s.taken.Add(int64(time.Since(began)))
	return seq, ok
}
