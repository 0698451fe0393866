package session

import "context"

// A mark is where frames begin in a queue that are of another subject than those before,
// or of Weft's own ("").
type mark struct {
	from int
	of   string
}

// mark notes whose the next frame is. Most queues hold frames of one kind at a time, for
// which nothing is kept but its name. There are no marks in an empty queue.
func (q *Queue) mark(of string) {
	switch {
	case len(q.frames) == 0:
		q.of = of
	case q.marks == nil:
		if of != q.of {
			q.marks = &[]mark{{len(q.frames), of}}
		}
	case of != (*q.marks)[len(*q.marks)-1].of:
		*q.marks = append(*q.marks, mark{len(q.frames), of})
	}
}

// Drop implements Outbox.
func (q *Queue) Drop(gone func(subject string) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended || len(q.frames) == 0 {
		return
	}
	q.drop(gone)
	if q.writing == 0 { // else Wrote does it
		q.opened()
	}
}

// drop leaves Weft's own frames: whoever asked is answered.
func (q *Queue) drop(gone func(subject string) bool) {
	runs := []mark{{0, q.of}}
	if q.marks != nil {
		runs = append(runs, *q.marks...)
	}
	frames, pending := q.frames, q.pending
	q.frames, q.marks, q.pending = nil, nil, 0
	for i, run := range runs {
		end := len(frames)
		if i+1 < len(runs) {
			end = runs[i+1].from
		}
		if run.of != "" && gone(run.of) {
			continue
		}
		q.mark(run.of)
		q.frames = append(q.frames, frames[run.from:end]...)
		for _, f := range frames[run.from:end] {
			q.pending += len(f) + frameCost
		}
	}
	q.pending = min(q.pending, pending) // which counts a head and the rest as one
	if q.writing == 0 {
		q.single[0] = nil
	}
}

// Settle implements Outbox.
func (q *Queue) Settle(ctx context.Context) error {
	q.mu.Lock()
	if q.ended || q.writing == 0 {
		q.mu.Unlock()
		return nil
	}
	if q.room == nil {
		q.room = make(chan struct{})
	}
	written := q.room
	q.mu.Unlock()
	select {
	case <-written:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
