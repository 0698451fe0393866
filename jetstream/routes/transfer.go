package routes

import (
	"context"
	"fmt"
	"maps"

	"weft/edge/route"
	"weft/jetstream/api"
	"weft/jetstream/kv"
)

// Rules are what is particular about routes that are exported and imported: what serves
// is exported, and what would not serve is not imported.
func (r *Routes) Rules() kv.Rules {
	return kv.Rules{Check: func() func(*kv.Entry) string { return r.Table().newCheck() }, Export: r.newExport, Await: r.awaitRevision}
}

// awaitRevision returns when the table is made of a revision.
func (r *Routes) awaitRevision(ctx context.Context, revision uint64) error {
	if err := r.await(ctx, func(t *Table) bool { return t.Revision >= revision }); err != nil {
		return fmt.Errorf("%w: what is stored is not served here: %w", api.ErrUnavailable, err)
	}
	return nil
}

// newCheck says of the routes of one import, which are put one after the other, which
// would not serve.
func (t *Table) newCheck() func(*kv.Entry) string {
	taken, has := maps.Clone(t.taken), make(map[string]string, len(t.Routes))
	for name, served := range t.Routes {
		has[name] = served.Pattern.Key()
	}
	return func(e *kv.Entry) string {
		parsed, errs := route.Parse(e.Key, e.Value)
		if len(errs) > 0 {
			return badLine(e.Key, errs[0])
		}
		key := parsed.Pattern.Key()
		if other := taken[key]; other != "" && other != e.Key {
			return badLine(e.Key, takenBy(other))
		}
		if had, there := has[e.Key]; there {
			delete(taken, had)
		} else if len(has) >= Most {
			return badLine(e.Key, tooMany())
		}
		taken[key], has[e.Key] = e.Key, key
		return ""
	}
}

func badLine(name string, problem *route.FieldError) string {
	text := problem.Detail
	if problem.Field != "" {
		text = problem.Field + " " + text
	}
	return "the route " + name + " is bad: " + text
}

// newExport carries the versions that serve, which are not the newest where these are bad.
func (r *Routes) newExport(ctx context.Context) func(*kv.Entry) bool {
	r.CatchUp(ctx)
	revision := uint64(0)
	for _, versions := range r.All() {
		revision = max(revision, newest(versions).Revision)
	}
	if err := r.awaitRevision(ctx, revision); err != nil {
		return func(*kv.Entry) bool { return true } // the export will not come to its end
	}
	t := r.Table()
	return func(e *kv.Entry) bool {
		served := t.Routes[e.Key]
		if served == nil {
			return false
		}
		e.Value = served.Document
		return true
	}
}
