package admin

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"weft/edge/problem"
	"weft/edge/route"
	"weft/jetstream/api"
	"weft/jetstream/kv"
	"weft/jetstream/routes"
)

// put stores a document and answers after this node serves it.
func (a *routeAPI) put(w http.ResponseWriter, r *request) error {
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(entryTime)); err != nil {
		a.log.Debug("set read deadline", "err", err)
	}
	// A byte more than a document may have is enough to be told that it is too long.
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRoute+1))
	if err != nil {
		return problem.New(problem.BadRequest, "the body ends before its time")
	}
	return a.change(w, r, "put", func(c routes.Condition, dry bool) (routes.Item, bool, error) {
		if dry {
			i, err := a.routes.DryRun(r.name, body, c)
			return i, false, err
		}
		return a.routes.Put(r.Context(), r.name, body, c)
	})
}

// rollback puts an earlier version again.
func (a *routeAPI) rollback(w http.ResponseWriter, r *request) error {
	revision, err := strconv.ParseUint(r.query.Get("revision"), 10, 64)
	if err != nil {
		return problem.New(problem.BadRequest, "revision is not a number of the history")
	}
	return a.change(w, r, "rolled back", func(c routes.Condition, dry bool) (routes.Item, bool, error) {
		if dry {
			return a.tryRollback(r.name, revision, c)
		}
		return a.routes.Rollback(r.Context(), r.name, revision, c)
	})
}

// tryRollback says what Rollback would.
func (a *routeAPI) tryRollback(name string, revision uint64, c routes.Condition) (i routes.Item, created bool, err error) {
	versions := a.routes.History(name)
	if len(versions) == 0 {
		return i, false, routes.ErrNotFound
	}
	for _, v := range versions {
		if v.Revision == revision && !v.Gone {
			i, err = a.routes.DryRun(name, v.Document, c)
			return i, false, err
		}
	}
	return i, false, routes.ErrNoVersion
}

// change reads what all changes have, and answers with the item.
func (a *routeAPI) change(w http.ResponseWriter, r *request, what string, do func(c routes.Condition, dry bool) (routes.Item, bool, error)) error {
	dry, err := yes(r.query.Get("dry_run"), "dry_run")
	if err != nil {
		return err
	}
	c, err := condition(r.Header)
	if err != nil {
		return err
	}
	item, created, err := do(c, dry)
	if err != nil {
		return a.problemOf(err)
	}
	if dry {
		if have, ok := a.routes.Item(r.name); ok {
			item.Serving = have.Serving
		}
		return a.show(w, http.StatusOK, item)
	}
	a.log.Info("route "+what+" by an operator", "route", r.name, "revision", item.Revision)
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return a.show(w, status, item)
}

func (a *routeAPI) delete(w http.ResponseWriter, r *request) error {
	c, err := condition(r.Header)
	if err != nil {
		return err
	}
	if err := a.routes.Delete(r.Context(), r.name, c); err != nil {
		return a.problemOf(err)
	}
	a.log.Info("route deleted by an operator", "route", r.name)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// yes reads a parameter that is true or false; absent is false.
func yes(text, name string) (bool, error) {
	switch text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, problem.New(problem.BadRequest, name+" is neither true nor false")
}

// condition reads If-Match and If-None-Match (RFC 9110, section 13.1).
func condition(h http.Header) (c routes.Condition, err error) {
	match, none := strings.Join(h.Values("If-Match"), ","), strings.Join(h.Values("If-None-Match"), ",")
	switch none = strings.TrimSpace(none); none {
	case "":
	case "*":
		c.Absent = true
	default:
		return c, problem.New(problem.BadRequest, `If-None-Match is not *`)
	}
	switch match = strings.TrimSpace(match); {
	case match == "":
	case c.Absent:
		return c, problem.New(problem.BadRequest, "If-Match and If-None-Match are both there")
	case match == "*":
		c.Present = true
	default:
		strong, weak := strings.CutPrefix(match, "W/")
		text, quoted := strings.CutPrefix(strong, `"`)
		text, ended := strings.CutSuffix(text, `"`)
		if !quoted || !ended || strings.Contains(text, `"`) {
			return c, problem.New(problem.BadRequest, `If-Match is not one revision in quotes, as the ETag of the route is: "7"`)
		}
		if c.Revision, err = strconv.ParseUint(text, 10, 64); err != nil || c.Revision == 0 || weak {
			c.Revision = math.MaxUint64 // a tag that no route has: a weak one matches none
		}
	}
	return c, nil
}

// problemOf says why a change was not made.
func (a *routeAPI) problemOf(err error) error {
	if bad, ok := errors.AsType[*routes.BadError](err); ok {
		return wrong(problem.BadRequest, "the route is bad", bad.Errors...)
	}
	if taken, ok := errors.AsType[*routes.TakenError](err); ok {
		return wrong(problem.Conflict, "the pattern "+taken.Problem.Detail, taken.Problem)
	}
	switch {
	case errors.Is(err, routes.ErrNotFound):
		return noRoute()
	case errors.Is(err, routes.ErrNoVersion):
		return problem.New(problem.NotFound, routes.ErrNoVersion.Error())
	case errors.Is(err, routes.ErrCondition):
		p := problem.New(problem.Conflict, "the route has another revision than the request is for; read it again")
		p.Status = http.StatusPreconditionFailed
		return p
	case errors.Is(err, kv.ErrFull):
		return problem.New(problem.DiskFull, "the bucket routes is full, which counts all versions; purge those of routes that are long: "+
			"nats stream purge KV_routes --subject '$KV.routes.<name>' --keep 1")
	case errors.Is(err, api.ErrDiskFull):
		return problem.New(problem.DiskFull, "the disk is full")
	}
	a.log.Warn("change a route", "err", err)
	return problem.New(problem.StoreUnavailable, "the store does not answer; it is unknown whether the route was changed: try again").Retry(time.Second)
}

func wrong(code problem.Code, detail string, errs ...*route.FieldError) *problem.Problem {
	p := problem.New(code, detail)
	for _, e := range errs {
		p.Errors = append(p.Errors, problem.FieldError(*e))
	}
	return p
}
