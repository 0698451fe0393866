package admin

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"weft/edge/openapi"
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

// table lists the endpoints.
func (a *routeAPI) table() []endpoint {
	names := a.byName()
	return slices.Concat(names, shadowed("schema", names), shadowed("match", names))
}

// shadowed are the endpoints that change a route whose name is also that of a path, and which
// the path would hide (findPath). Such a route is read in the list.
func shadowed(name string, table []endpoint) (own []endpoint) {
	for _, at := range table {
		if at.path != "routes/{name}" || at.method == http.MethodGet {
			continue
		}
		serve := at.serve
		at.path, at.serve = "routes/"+name, func(w http.ResponseWriter, r *request) error {
			return serve(w, &request{r.Request, name, r.query})
		}
		at.says.ID += "Called" + strings.ToUpper(name[:1]) + name[1:]
		at.says.Does = strings.TrimSuffix(at.says.Does, ".") + ", for one that is called `" + name + "`."
		at.says.Means = maps.Clone(at.says.Means)
		delete(at.says.Means, "name")
		own = append(own, at)
	}
	return own
}

// byName lists the endpoints but those that a path hides.
func (a *routeAPI) byName() []endpoint {
	dry, dryMeans := parameter.Once("dry_run"), openapi.Flag("nothing is stored").Standard(false)
	slot := params{"name": routeSlot}
	tag := []openapi.Header{{Name: "ETag", Param: openapi.String("the revision, in quotes")}}
	conditions := []openapi.Header{
		{Name: "If-Match", Param: openapi.Form(`^\s*(\*|(W/)?"[0-9]+")\s*$`, "only when the route has this revision, as its `ETag` says it")},
		{Name: "If-None-Match", Param: openapi.Form(`^\s*\*\s*$`, "only when there is no route of the name; not with `If-Match`")},
	}
	failed := openapi.Refusal{Status: http.StatusPreconditionFailed, Code: problem.Conflict}
	item := func(status int, says string) openapi.Answer {
		return openapi.Answer{Status: status, Says: says, Bodies: openapi.JSON(routeItem{}), Headers: tag}
	}
	changes := []problem.Code{problem.Conflict, problem.NotReady, problem.DiskFull, problem.StoreUnavailable}
	read := []problem.Code{problem.NotFound, problem.NotReady}
	return []endpoint{
		{method: "GET", path: "routes", takes: pages, serve: a.loaded(a.list), says: openapi.Operation{
			ID: "listRoutes", Does: "The routes.", Means: pageParams, Answers: ok("a page of routes", page[routeItem]{}), Fails: []problem.Code{problem.NotReady}}},
		{method: "GET", path: "routes/schema", serve: showSchema, says: openapi.Operation{
			ID: "getRouteSchema", Does: "The JSON Schema of a route's document.",
			Answers: []openapi.Answer{{Status: http.StatusOK, Says: "the schema", Bodies: []openapi.Body{{Type: schemaType, Of: openapi.Schema{"type": "object"}}}}}}},
		{method: "GET", path: "routes/match", takes: parameter.Once("method", "url"), serve: a.loaded(a.match), says: openapi.Operation{
			ID: "matchRoute", Does: "Which route would serve a request.",
			Means:   params{"method": openapi.String("the method of the request").Standard("GET"), "url": openapi.NonEmpty("its URL, or the path of it").Must()},
			Answers: ok("the route, and where the request would go", matched{}), Fails: read,
			Also: []openapi.Refusal{{Status: http.StatusMethodNotAllowed, Code: problem.BadRequest}}}},
		{method: "GET", path: "routes/{name}/history", serve: a.loaded(a.history), says: openapi.Operation{
			ID: "getRouteHistory", Does: "The versions of a route, newest first.", Means: slot, Answers: ok("all of them that are retained", page[version]{}), Fails: read}},
		{method: "POST", path: "routes/{name}/rollback", takes: dry.And("revision"), serve: a.loaded(a.rollback), says: openapi.Operation{
			ID: "rollbackRoute", Does: "Puts an earlier version again.",
			Means:   params{"name": routeSlot, "dry_run": dryMeans, "revision": openapi.Integer(0, 0, "the version").Must()},
			Headers: conditions, Answers: []openapi.Answer{item(http.StatusOK, "this node serves it"), item(http.StatusCreated, "it had been deleted, and this node serves it again")},
			Fails: append(changes, problem.NotFound), Also: []openapi.Refusal{failed}}},
		{method: "GET", path: "routes/{name}", serve: a.loaded(a.get), says: openapi.Operation{
			ID: "getRoute", Does: "A route.", Means: slot, Answers: []openapi.Answer{item(http.StatusOK, "the route")}, Fails: read}},
		{method: "PUT", path: "routes/{name}", takes: dry, serve: a.loaded(a.put), says: openapi.Operation{
			ID: "putRoute", Does: "Puts a document.", Says: "It is answered once this node serves the route; the others do within a second.", Means: params{"name": routeSlot, "dry_run": dryMeans},
			Headers: conditions, Bodies: openapi.JSON(openapi.Named("RouteDocument", route.Schema())), BodyNeeded: true,
			Answers: []openapi.Answer{item(http.StatusOK, "this node serves the new version; with `dry_run` it would"), item(http.StatusCreated, "this node serves the new route")},
			Fails:   changes, Also: []openapi.Refusal{failed}}},
		{method: "DELETE", path: "routes/{name}", serve: a.loaded(a.delete), says: openapi.Operation{
			ID: "deleteRoute", Does: "Deletes a route; requests that run go on.", Means: slot, Headers: conditions,
			Answers: done("it is deleted"), Fails: append(changes, problem.NotFound), Also: []openapi.Refusal{failed}}},
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

// schemaType is the media type of a JSON Schema.
const schemaType = "application/schema+json"

// showSchema answers with the JSON Schema of documents, for editors and checks elsewhere.
func showSchema(w http.ResponseWriter, _ *request) error {
	w.Header().Set("Content-Type", schemaType)
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
	Problem *problem.FieldError `json:"problem,omitempty"`
	Serving uint64              `json:"serving_revision"`
}

func (a *routeAPI) describe(i routes.Item) routeItem {
	item := routeItem{Name: i.Name, Revision: i.Revision, Modified: i.Modified, document: showDocument(i.Document),
		State: i.State(), Problem: (*problem.FieldError)(i.Problem), Serving: i.Serving}
	if item.Problem == nil {
		if serving := a.routes.Table().Routes[i.Name]; serving != nil {
			item.Problem = (*problem.FieldError)(a.lacks(serving))
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
	Problem *problem.FieldError `json:"problem,omitempty"`
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
			shown.Operation, shown.document, shown.Problem = "put", showDocument(v.Document), (*problem.FieldError)(v.Problem())
		}
		list.Items = append(list.Items, shown)
	}
	return answer(w, http.StatusOK, list)
}
