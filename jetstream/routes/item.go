package routes

import (
	"slices"
	"time"

	"weft/edge/route"
)

// States of an Item.
const (
	Serving = "serving"
	Bad     = "bad"
)

// An Item is a route as operators see it: its newest version, and what serves.
type Item struct {
	Name     string
	Revision uint64
	Modified time.Time
	// Document is the newest version, as it was put: any bytes, when it is bad.
	Document []byte
	// Problem is why the newest version does not serve; nil: it does.
	Problem *route.FieldError
	// Serving is the revision that serves: the newest, or the last one that was good; 0:
	// none does.
	Serving uint64
}

// State is Serving or Bad.
func (i *Item) State() string {
	if i.Problem != nil {
		return Bad
	}
	return Serving
}

// List returns up to limit items with names after the given one, in order. Names whose
// newest version is a deletion are not among them.
func (r *Routes) List(after string, limit int) []Item { return r.Table().List(after, limit) }

// List is Routes.List, of this table.
func (t *Table) List(after string, limit int) []Item {
	from, found := slices.BinarySearch(t.names, after)
	if found {
		from++
	}
	names := t.names[from:]
	items := make([]Item, 0, min(limit, len(names)))
	for _, name := range names[:min(limit, len(names))] {
		items = append(items, t.states[name].item(name))
	}
	return items
}

// Item returns the item of a name; ok is false when there is none, or it is deleted.
func (r *Routes) Item(name string) (item Item, ok bool) {
	s := r.Table().states[name]
	if s == nil || newest(s.versions).Gone {
		return Item{}, false
	}
	return s.item(name), true
}

func (s *state) item(name string) Item {
	v := newest(s.versions)
	i := Item{Name: name, Revision: v.Revision, Modified: v.Modified, Document: v.Document}
	if s.serving != v {
		i.Problem = v.Problem()
	}
	if s.serving != nil {
		i.Serving = s.serving.Revision
	}
	return i
}

// History returns the versions of a name that the bucket retains, newest first; deletions
// are among them. It is empty when there are none.
func (r *Routes) History(name string) []*Version {
	s := r.Table().states[name]
	if s == nil {
		return nil
	}
	versions := slices.Clone(s.versions)
	slices.Reverse(versions)
	return versions
}
