package routes

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"weft/edge/route"
	"weft/jetstream/api"
	"weft/jetstream/kv"
)

// Errors of changes, besides BadError, TakenError, api.ErrUnavailable and api.ErrDiskFull.
var (
	ErrNotFound = errors.New("there is no route of this name")
	// ErrCondition is returned when a change is for another revision than the newest.
	ErrCondition = errors.New("the route has another revision")
	// ErrNoVersion is returned by Rollback when the history has no such document.
	ErrNoVersion = errors.New("the history has no document of this revision")
)

// A BadError says all that is wrong with a document.
type BadError struct{ Errors []*route.FieldError }

// Error implements error.
func (e *BadError) Error() string { return "the route is bad: " + e.Errors[0].Error() }

// A TakenError says that another route has the pattern.
type TakenError struct {
	Route   string            // that has it
	Problem *route.FieldError // as a document's
}

// Error implements error.
func (e *TakenError) Error() string { return e.Problem.Error() }

// A Condition is what must hold for a change. The zero value always holds.
type Condition struct {
	// Revision is the newest one that the route must have (If-Match: "7"); 0: any.
	Revision uint64
	// Present: there must be a route (If-Match: *).
	Present bool
	// Absent: there must be none (If-None-Match: *).
	Absent bool
}

// holds checks the condition for a name's newest version, nil if there is none.
func (c Condition) holds(v *Version) bool {
	there := v != nil && !v.Gone
	switch {
	case c.Absent:
		return !there
	case c.Revision > 0:
		return there && v.Revision == c.Revision
	}
	return there || !c.Present
}

// Put stores a document and returns its item after this node serves it; created reports
// that there was no route of this name. Its errors are *BadError, *TakenError,
// ErrCondition, api.ErrDiskFull, and api.ErrUnavailable, with which it is unknown whether
// it was stored.
func (r *Routes) Put(ctx context.Context, name string, document []byte, c Condition) (item Item, created bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, api.WriteWait)
	defer cancel()
	document = bytes.Clone(document)
	revision, err := r.change(ctx, name, func(have *Version) (*nats.Msg, error) {
		created = have == nil || have.Gone
		if err := r.check(name, document, have, c); err != nil {
			return nil, err
		}
		return kv.Message(kv.Routes, name, document, 0), nil
	})
	if err != nil {
		return Item{}, false, err
	}
	v, err := r.served(ctx, name, revision)
	if err != nil {
		return Item{}, false, err
	}
	item = Item{Name: name, Revision: revision, Document: document, Serving: revision}
	if v != nil {
		item.Modified = v.Modified
		if problem := v.Problem(); problem != nil {
			return Item{}, false, r.undo(ctx, name, v, problem)
		}
	}
	return item, created, nil
}

// DryRun says what Put would; it stores nothing. Of the item only name and document are
// known.
func (r *Routes) DryRun(name string, document []byte, c Condition) (Item, error) {
	versions, _ := r.Get(name)
	if err := r.check(name, document, newest(versions), c); err != nil {
		return Item{}, err
	}
	return Item{Name: name, Document: document}, nil
}

// Delete takes a route away and returns after this node does not serve it any more. Its
// errors are ErrNotFound, ErrCondition, api.ErrDiskFull and api.ErrUnavailable.
func (r *Routes) Delete(ctx context.Context, name string, c Condition) error {
	ctx, cancel := context.WithTimeout(ctx, api.WriteWait)
	defer cancel()
	revision, err := r.change(ctx, name, func(have *Version) (*nats.Msg, error) {
		switch {
		case have == nil || have.Gone:
			return nil, ErrNotFound
		case !c.holds(have):
			return nil, ErrCondition
		}
		return kv.Deletion(kv.Routes, name), nil
	})
	if err != nil {
		return err
	}
	_, err = r.served(ctx, name, revision)
	return err
}

// Rollback puts the document of an earlier revision again. Its errors are ErrNotFound,
// ErrNoVersion, and those of Put.
func (r *Routes) Rollback(ctx context.Context, name string, revision uint64, c Condition) (item Item, created bool, err error) {
	versions, _ := r.Get(name)
	if len(versions) == 0 {
		return Item{}, false, ErrNotFound
	}
	for _, v := range versions {
		if v.Revision == revision && !v.Gone {
			return r.Put(ctx, name, v.Document, c)
		}
	}
	return Item{}, false, ErrNoVersion
}

// check says why a document cannot be put.
func (r *Routes) check(name string, document []byte, have *Version, c Condition) error {
	parsed, errs := route.Parse(name, document)
	if len(errs) > 0 {
		return &BadError{errs}
	}
	if !c.holds(have) {
		return ErrCondition
	}
	t := r.Table()
	if other, taken := t.taken[parsed.Pattern.Key()]; taken && other != name {
		return &TakenError{other, takenBy(other)}
	}
	if len(t.Routes) >= Most && t.Routes[name] == nil {
		return &BadError{[]*route.FieldError{tooMany()}}
	}
	return nil
}

// change writes what decide makes for the newest version of a name, provided that it is
// still the newest when it is stored; else decide is asked again.
func (r *Routes) change(ctx context.Context, name string, decide func(have *Version) (*nats.Msg, error)) (revision uint64, err error) {
	if err := r.ready(); err != nil {
		return 0, err
	}
	var unsure *nats.Msg // sent, and it is unknown whether it was stored
	var after uint64     // what was the newest then
	for {
		versions, _ := r.Get(name)
		have, last := newest(versions), uint64(0)
		if have != nil {
			last = have.Revision
		}
		if unsure != nil && last > after && have.Gone == (len(unsure.Data) == 0) && bytes.Equal(have.Document, unsure.Data) {
			return last, nil
		}
		m, err := decide(have)
		if err != nil {
			return 0, err
		}
		revision, err := r.cfg.Watch.Account.PutAt(ctx, m, last)
		switch {
		case err == nil:
			return revision, nil
		case errors.Is(err, api.ErrExists), api.IsCode(err, api.CodeInFlight): // the node is behind
			r.CatchUp(ctx)
		case errors.Is(err, api.ErrRefused), errors.Is(err, api.ErrDiskFull):
			return 0, err
		default:
			unsure, after = m, last
		}
		if !api.Sleep(ctx, api.WritePause) {
			return 0, fmt.Errorf("%w: change route: %w", api.ErrUnavailable, err)
		}
	}
}

// ready says why nothing can be changed.
func (r *Routes) ready() error {
	if r.cfg.Guards.Opened != nil {
		if err := r.cfg.Guards.Opened(); err != nil {
			return err
		}
	}
	switch {
	case !r.Loaded():
		return fmt.Errorf("%w: the routes are not loaded", api.ErrUnavailable)
	case r.Remaking(): // its revisions are not those of the table
		return fmt.Errorf("%w: the bucket routes is gone and is being made anew", api.ErrUnavailable)
	case r.cfg.Guards.DiskFull != nil && r.cfg.Guards.DiskFull():
		return api.ErrDiskFull
	}
	return nil
}

// served returns when the table has a revision of a name, and its version; nil if newer
// ones have replaced it.
func (r *Routes) served(ctx context.Context, name string, revision uint64) (v *Version, err error) {
	if err := r.awaitRevision(ctx, revision); err != nil {
		return nil, err
	}
	for _, v := range r.History(name) {
		if v.Revision == revision {
			return v, nil
		}
	}
	return nil, nil
}

// undo takes back what was stored and cannot serve, because another node was quicker to
// give the pattern away: it puts what serves again, or deletes what is new.
func (r *Routes) undo(ctx context.Context, name string, v *Version, problem *route.FieldError) error {
	m := kv.Deletion(kv.Routes, name)
	if serving := r.Table().Routes[name]; serving != nil {
		m = kv.Message(kv.Routes, name, serving.Document, 0)
	}
	if _, err := r.cfg.Watch.Account.PutAt(ctx, m, v.Revision); err != nil && !errors.Is(err, api.ErrExists) {
		r.log.Warn("a route that cannot serve was stored", "route", name, "revision", v.Revision, "err", err)
	}
	t := r.Table()
	if parsed, errs := route.Parse(name, v.Document); len(errs) == 0 {
		if other := t.taken[parsed.Pattern.Key()]; other != "" && other != name {
			return &TakenError{other, takenBy(other)}
		}
	}
	return &BadError{[]*route.FieldError{problem}}
}
