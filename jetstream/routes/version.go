package routes

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"weft/edge/route"
	"weft/jetstream/kv"
)

// A Version is what was put under a name, or that it was deleted.
type Version struct {
	Revision uint64
	Modified time.Time
	Gone     bool   // deleted or purged
	Document []byte // as it was put; it must not be changed

	// problem is why it does not serve; nil: nothing keeps it from serving. It is known
	// as soon as a table was made of it.
	problem atomic.Pointer[route.FieldError]

	// Those below belong to who makes the table.
	read  bool              // the document was parsed
	bad   *route.FieldError // what is wrong with the document
	key   string            // of its pattern
	route *route.Route      // nil while it does not serve
	told  bool              // that it is bad
}

// Problem is why the version does not serve, or did not while it was the newest; nil if
// it is good.
func (v *Version) Problem() *route.FieldError { return v.problem.Load() }

// parse reads the document, once as long as that is enough.
func (v *Version) parse(name string) {
	if v.read {
		return
	}
	v.read = true
	r, errs := route.Parse(name, v.Document)
	if len(errs) > 0 {
		v.bad = errs[0]
		return
	}
	r.Revision = v.Revision
	v.route, v.key = r, r.Pattern.Key()
}

// serve returns the version's route, which is the same as long as it serves.
func (v *Version) serve(name string) *route.Route {
	if v.route == nil {
		v.read = false
		v.parse(name)
	}
	return v.route
}

// folder remembers what the bucket retains.
type folder struct{ *Routes }

// Fold implements kv.Folder.
func (folder) Fold(have []*Version, c *kv.Change) ([]*Version, bool) {
	v := &Version{Revision: c.Seq, Modified: c.Made, Gone: c.Gone, Document: c.Value}
	if c.Rollup {
		have = nil
	}
	if len(have) >= history {
		have = have[len(have)-history+1:]
	}
	now := make([]*Version, len(have)+1) // who has got the slice before may still read it
	copy(now, have)
	now[len(have)] = v
	return now, true
}

// Retained implements kv.Retainer.
func (folder) Retained(have []*Version) int { return len(have) }

// Restore implements kv.Folder. What serves comes first, and no two of that have one
// pattern: so the table is the same, in whatever order keys are put. What is bad comes
// when all that serves is there again.
func (f folder) Restore(name string, have []*Version) []*nats.Msg {
	last := newest(have)
	if last == nil {
		return nil
	}
	var serving *Version
	if s := f.Table().states[name]; s != nil && s.serving != nil && slices.Contains(have, s.serving) {
		serving = s.serving
	}
	switch {
	case last.Gone || last == serving:
		return []*nats.Msg{last.message(name)}
	case serving == nil:
		return []*nats.Msg{nil, last.message(name)}
	}
	return []*nats.Msg{serving.message(name), last.message(name)}
}

// message puts the version into the bucket again.
func (v *Version) message(name string) *nats.Msg {
	m := kv.Message(kv.Routes, name, v.Document, 0)
	if v.Gone {
		m = kv.Deletion(kv.Routes, name)
	}
	kv.SetMade(m, v.Modified)
	return m
}

// newest is the newest version, nil if there is none.
func newest(versions []*Version) *Version {
	if len(versions) == 0 {
		return nil
	}
	return versions[len(versions)-1]
}
