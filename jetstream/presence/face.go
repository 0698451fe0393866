package presence

import "time"

const (
	// settle is how long there must have been more connections until that is shown.
	settle = 250 * time.Millisecond
	// hold is how long there must have been fewer: a page that is loaded again is back
	// by then, whichever node it comes to.
	hold = 5 * time.Second
	// grain is to what holding is rounded up: it bounds what is remembered, and what is
	// due together is told together.
	grain = 100 * time.Millisecond
	// early is how much less a fall is held that can be shown along with another: alone it
	// would come up to a second later, and a dead node's after more than six.
	early = 400 * time.Millisecond
	// every is the least time between two changes of what is shown.
	every = time.Second
)

// until is how long what was true until now is held.
func (f *face) until(now time.Time) time.Time {
	return f.zero.Add((now.Sub(f.zero) + hold + grain - 1).Truncate(grain))
}

// A count is how many connections there are, and whether these are all.
type count struct {
	connections int
	complete    bool
}

// A face is what is shown of a count that changes: fewer connections when there have been
// no more for 5 s, which is a maximum over that time, and more after 250 ms. With a fall
// that is shown goes what would be due within the next 400 ms. That some
// are not known is held back like a fall: it comes with one, when a node dies.
type face struct {
	zero    time.Time // from when grains are counted, the same for all faces
	begun   bool
	now     count // what is true
	shown   count
	at      time.Time // since when that is shown
	rising  time.Time // since when more are there than are shown; zero: there are not
	turned  time.Time // since when now.complete is what it is
	maximum maximum
}

// begin shows what is true.
func (f *face) begin(now time.Time) { f.begun, f.shown, f.at, f.rising = true, f.now, now, time.Time{} }

// saw takes in what is true from now on.
func (f *face) saw(now time.Time, c count) {
	if c.connections < f.now.connections {
		f.maximum.fall(f.now.connections, f.until(now))
	}
	if c.complete != f.now.complete {
		f.turned = now
	}
	switch f.now = c; {
	case c.connections <= f.shown.connections:
		f.rising = time.Time{}
	case f.rising.IsZero():
		f.rising = now
	}
}

// wanted is what should be shown now, and when that may be something else though nothing
// happens; zero: not then.
func (f *face) wanted(now time.Time) (want count, next time.Time) {
	want = f.shown
	switch held, end := f.maximum.at(now); {
	case f.now.connections > f.shown.connections:
		if due := f.rising.Add(settle); now.Before(due) {
			next = due
		} else {
			want.connections = f.now.connections
		}
	case f.now.connections < f.shown.connections:
		if most := max(held, f.now.connections); most < f.shown.connections {
			want.connections = most
		}
		next = end
	}
	if f.now.complete != f.shown.complete {
		due := f.turned.Add(settle)
		if !f.now.complete {
			due = f.until(f.turned)
		}
		if now.Before(due) {
			next = sooner(next, due)
		} else {
			want.complete = f.now.complete
		}
	}
	return want, next
}

// show makes what is shown what is wanted, if it may change now, and says whether it did,
// and when to look again.
func (f *face) show(now time.Time) (changed bool, next time.Time) {
	want, next := f.wanted(now)
	if want == f.shown {
		return false, next
	}
	if due := f.at.Add(every); now.Before(due) {
		return false, due
	}
	if want.connections < f.shown.connections {
		want, _ = f.wanted(now.Add(early))
	}
	if f.shown, f.at = want, now; f.now.connections <= want.connections {
		f.rising = time.Time{}
	}
	_, next = f.wanted(now)
	return true, next
}

// sooner is the earlier of two times, of which a zero one is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// A maximum remembers from how many connections a count has fallen, for as long as that
// is held: the greatest ends first, at most one for each grain of time.
type maximum []heldCount

type heldCount struct {
	connections int
	until       time.Time
}

// fall takes in that there were so many connections, which is held until then.
func (m *maximum) fall(from int, until time.Time) {
	list := *m
	for len(list) > 0 && list[len(list)-1].connections <= from {
		list = list[:len(list)-1]
	}
	if len(list) == 0 || list[len(list)-1].until.Before(until) {
		list = append(list, heldCount{from, until})
	}
	*m = list
}

// at is the greatest count that is held, until when; 0 when none is.
func (m *maximum) at(now time.Time) (connections int, until time.Time) {
	list := *m
	for len(list) > 0 && !now.Before(list[0].until) {
		list = list[1:]
	}
	if *m = list; len(list) == 0 {
		*m = nil
		return 0, time.Time{}
	}
	return list[0].connections, list[0].until
}
