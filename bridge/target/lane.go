package target

import (
	"sync"
	"time"
)

const (
	// batchBytes and batchRecords bound what is sent at once; one record may be larger.
	batchBytes   = 512 << 10
	batchRecords = 512
)

// A lane is the way of records to one partition. Batches go one after the other. It works
// while there is something to do.
type lane struct {
	*producer
	place

	mu      sync.Mutex
	waiting []*record
	working bool

	// What follows belongs to whoever works.
	leader   string // address of the broker that leads; "" when it must be looked for
	slow     bool   // its replicas are
	identity identity
}

// put hands over a record. It does not block.
func (l *lane) put(r *record) {
	l.mu.Lock()
	l.waiting = append(l.waiting, r)
	start := !l.working
	l.working = true
	l.mu.Unlock()
	if start && !l.start(l.work) {
		l.refuse()
	}
}

// work delivers until nothing waits.
func (l *lane) work() {
	for batch := l.take(); batch != nil; batch = l.take() {
		(&delivery{lane: l, batch: batch}).run()
	}
}

// take returns the next records; nil when there are none, and then nobody works. Whom
// nobody waits for any more is left out: it must not be written later.
func (l *lane) take() []*record {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, size := time.Now(), 0
	var batch []*record
	for i, r := range l.waiting {
		if len(batch) == batchRecords || len(batch) > 0 && size+r.size > batchBytes {
			l.waiting = append(l.waiting[:0:0], l.waiting[i:]...)
			return batch
		}
		if !now.Before(r.deadline) {
			r.finish(late())
			continue
		}
		batch = append(batch, r)
		size += r.size
	}
	l.waiting = nil
	if batch == nil {
		l.working = false
	}
	return batch
}

// refuse answers all who wait in a producer that is closed.
func (l *lane) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.waiting {
		r.finish(away())
	}
	l.waiting, l.working = nil, false
}
