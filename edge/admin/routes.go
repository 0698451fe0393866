package admin

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/edge/route"
	"weft/jetstream/routes"
)

// routeAPI lets operators read, change and try routes.
type routeAPI struct {
	routes *routes.Routes
	lacks  func(*route.Route) *route.FieldError
	log    *slog.Logger
}

func newRouteAPI(deps Deps, log *slog.Logger) *routeAPI {
	a := &routeAPI{routes: deps.Node.Routes, lacks: deps.Lacks, log: log}
	if a.lacks == nil {
		a.lacks = func(*route.Route) *route.FieldError { return nil }
	}
	return a
}

// table lists the endpoints. Routes of the names schema and match are read in the list.
func (a *routeAPI) table() []endpoint {
	dry := parameter.Once("dry_run")
	return []endpoint{
		{method: "GET", head: "routes", takes: parameter.Once("after", "limit"), serve: a.loaded(a.list)},
		{method: "GET", head: "routes/schema", serve: showSchema},
		{method: "GET", head: "routes/match", takes: parameter.Once("method", "url"), serve: a.loaded(a.match)},
		{method: "GET", head: "routes/", tail: "/history", slot: true, serve: a.loaded(a.history)},
		{method: "POST", head: "routes/", tail: "/rollback", slot: true, takes: dry.And("revision"), serve: a.loaded(a.rollback)},
		{method: "GET", head: "routes/", slot: true, serve: a.loaded(a.get)},
		{method: "PUT", head: "routes/", slot: true, takes: dry, serve: a.loaded(a.put)},
		{method: "DELETE", head: "routes/", slot: true, serve: a.loaded(a.delete)},
	}
}

// loaded refuses as long as this node does not know the routes: it would say that there
// are none.
func (a *routeAPI) loaded(serve handler) handler {
	return func(w http.ResponseWriter, r *request) error {
		if !a.routes.Loaded() {
			return problem.New(problem.NotReady, "this node has not read the routes yet").RetrySoon()
		}
		return serve(w, r)
	}
}

// showSchema answers with the JSON Schema of documents, for editors and checks elsewhere.
func showSchema(w http.ResponseWriter, _ *request) error {
	w.Header().Set("Content-Type", "application/schema+json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(route.Schema())
	return nil
}

const (
	// maxRoute is the longest document, in bytes.
	maxRoute = 64 << 10
	// maxRaw is how much of a version that is no JSON is shown, in bytes.
	maxRaw = 4 << 10
	// pageBytes bounds the documents of a page.
	pageBytes = 4 << 20
)

// A document is what was put: JSON, or what else stands there.
type document struct {
	Route json.RawMessage `json:"route,omitempty"`
	Raw   string          `json:"raw,omitempty"`
}

func showDocument(text []byte) document {
	if utf8.Valid(text) && json.Valid(text) {
		return document{Route: text}
	}
	return document{Raw: string(text[:min(len(text), maxRaw)])}
}

// routeItem is a route as operators see it.
type routeItem struct {
	Name     string    `json:"name"`
	Revision uint64    `json:"revision"`
	Modified time.Time `json:"modified,omitzero"`
	document
	State string `json:"state"`
	// Problem is why the newest version does not serve, or what this node lacks to
	// serve it.
	Problem *route.FieldError `json:"problem,omitempty"`
	Serving uint64            `json:"serving_revision"`
}

func (a *routeAPI) describe(i routes.Item) routeItem {
	item := routeItem{Name: i.Name, Revision: i.Revision, Modified: i.Modified, document: showDocument(i.Document),
		State: i.State(), Problem: i.Problem, Serving: i.Serving}
	if item.Problem == nil {
		if serving := a.routes.Table().Routes[i.Name]; serving != nil {
			item.Problem = a.lacks(serving)
		}
	}
	return item
}

func (a *routeAPI) list(w http.ResponseWriter, r *request) error {
	after, limit, err := pageQuery(r.query)
	if err != nil {
		return err
	}
	var items []routeItem
	size := 0
	for _, i := range a.routes.List(after, limit+1) {
		if size += len(i.Document); size > pageBytes && len(items) > 0 {
			limit = min(limit, len(items))
		}
		items = append(items, a.describe(i))
		if len(items) > limit {
			break
		}
	}
	return answer(w, http.StatusOK, pageOf(items, limit, func(i routeItem) string { return i.Name }))
}

func (a *routeAPI) get(w http.ResponseWriter, r *request) error {
	i, ok := a.routes.Item(r.name)
	if !ok {
		return noRoute()
	}
	return a.show(w, http.StatusOK, i)
}

// show answers with an item.
func (a *routeAPI) show(w http.ResponseWriter, status int, i routes.Item) error {
	if i.Revision > 0 {
		w.Header().Set("ETag", `"`+strconv.FormatUint(i.Revision, 10)+`"`)
	}
	return answer(w, status, a.describe(i))
}

func noRoute() error { return problem.New(problem.NotFound, "there is no route of this name") }

// A version is one of the history.
type version struct {
	Revision  uint64    `json:"revision"`
	Modified  time.Time `json:"modified"`
	Operation string    `json:"operation"`
	document
	Problem *route.FieldError `json:"problem,omitempty"`
}

// history is what the bucket retains of a name, newest first. It is short and has one
// page.
func (a *routeAPI) history(w http.ResponseWriter, r *request) error {
	versions := a.routes.History(r.name)
	if len(versions) == 0 {
		return noRoute()
	}
	list := page[version]{}
	for _, v := range versions {
		shown := version{Revision: v.Revision, Modified: v.Modified, Operation: "delete"}
		if !v.Gone {
			shown.Operation, shown.document, shown.Problem = "put", showDocument(v.Document), v.Problem()
		}
		list.Items = append(list.Items, shown)
	}
	return answer(w, http.StatusOK, list)
}
