package presence

import (
	"container/heap"
	"time"
)

// A queue has the watchers in the order in which they are due; see container/heap.
type queue []*watcher

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *queue) Push(x any) {
	w, _ := x.(*watcher)
	w.place = len(*q)
	*q = append(*q, w)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	w.place = -1
	return w
}

// touch has a watcher looked at, at a time or before.
func (ws *watchers) touch(w *watcher, at time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.touchLocked(w, at)
}

func (ws *watchers) touchLocked(w *watcher, at time.Time) {
	switch {
	case w.gone:
		return
	case w.place < 0:
		w.due = at
		heap.Push(&ws.due, w)
	case at.Before(w.due):
		w.due = at
		heap.Fix(&ws.due, w.place)
	default:
		return
	}
	if w.place == 0 {
		nudge(ws.wake)
	}
}
