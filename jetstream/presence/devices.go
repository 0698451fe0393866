package presence

import (
	"cmp"
	"slices"
	"time"
)

// listEvery is the least time after which devices are asked for again of which a hint says
// that they have changed.
const listEvery = 500 * time.Millisecond

// A list is what is shown of the devices of a subject.
type list struct {
	known   bool      // an answer has come since somebody wants them
	stale   bool      // they are to be asked for again
	asked   time.Time // when they were last asked for
	shown   []Device
	version int // grows when shown changes
}

// oldest sorts devices by their age, which it may do in place, and leaves the youngest
// out that are too many.
func oldest(list []Device) []Device {
	slices.SortFunc(list, func(a, b Device) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return slices.Clip(list[:min(len(list), MaxDevices)])
}

// live are the devices that the nodes have told of.
func (w *watcher) live() []Device {
	var all []Device
	for i := range w.entries {
		all = append(all, w.entries[i].devices...)
	}
	return oldest(all)
}

// look makes what is shown of the devices what is true, and reports whether that is
// something else. While connections are held that are gone, the devices are held that
// were shown, so that there are as many.
func (w *watcher) look() (changed bool) {
	now := w.live()
	for _, d := range w.list.shown {
		if len(now) >= min(w.face.shown.connections, MaxDevices) {
			break
		}
		if !slices.ContainsFunc(now, func(n Device) bool { return n.ID == d.ID }) {
			now = append(now, d)
		}
	}
	now = oldest(now)
	if slices.EqualFunc(now, w.list.shown, same) {
		return false
	}
	w.list.shown = now
	w.list.version++
	return true
}

func same(a, b Device) bool {
	since := a.Since.Equal(b.Since)
	a.Since = b.Since
	return since && a == b
}

// unlist forgets all devices, when nobody wants them any more.
func (w *watcher) unlist() {
	w.list = list{version: w.list.version}
	for i := range w.entries {
		w.entries[i].devices = nil
	}
}
