package session

import (
	"slices"

	"weft/edge/wire"
)

// State implements Outbox. A queue holds one state of each subject, however long its
// client takes.
func (q *Queue) State(subject string, data, was []byte) []byte {
	frame := q.spelling.Format.Control("", wire.TypePresence, data)
	if !q.Replace(subject, was, frame) {
		return nil
	}
	return frame
}

// Replace puts a frame in the place of one that was put before and is not on its way yet,
// else behind all others. It is false, and nothing has changed, when there is no room,
// which does not end the session. of is the subject that it tells of.
func (q *Queue) Replace(of string, was, frame []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return true // dropped
	}
	if was != nil {
		if i := slices.IndexFunc(q.frames, func(f []byte) bool { return len(f) > 0 && &f[0] == &was[0] }); i >= 0 {
			q.frames[i] = frame
			q.pending += len(frame) - len(was)
			return true
		}
	}
	n := len(frame) + frameCost
	if used := q.pending + q.writing; used > q.spelling.Limit/little && used+n > q.spelling.Limit {
		return false
	}
	q.mark(of)
	if q.frames == nil && q.writing == 0 {
		q.frames = q.single[:0]
	}
	q.frames = append(q.frames, frame)
	q.pending += n
	q.writer.Wake(false)
	return true
}
