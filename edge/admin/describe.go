package admin

import (
	"net/http"

	"weft/edge/openapi"
	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/jetstream/kv"
)

// describe makes the document of the listener, of the tables by which it dispatches.
func (a *Admin) describe() ([]byte, error) {
	l := openapi.Listener{
		Title: "Weft, admin listener",
		Says: "For operators. Lists are pages: the next one is asked for with `after`, which is `next` of this one. " +
			"What is asked of the whole cluster says in `nodes_answered`, `nodes_expected` and `nodes_known` how much of it the answer stands for; " +
			"with `complete` it stands for all. Unknown parameters are refused. What a later version adds to an answer is to be ignored.",
		Fails:      []problem.Code{problem.BadRequest, problem.Forbidden, problem.Internal},
		Also:       []openapi.Refusal{{Status: http.StatusMisdirectedRequest, Code: problem.Forbidden}},
		TokenFails: []problem.Code{problem.TokenInvalid},
	}
	if a.cfg.Token != "" {
		l.Tokens = []openapi.Scheme{openapi.Bearer}
	}
	var all []openapi.Operation
	for _, at := range a.open {
		all = append(all, at.operation("", openapi.Unread))
	}
	for _, at := range a.endpoints {
		all = append(all, at.operation(pathWeft, openapi.Needed))
	}
	return openapi.Document(l, all)
}

// operation is what the endpoint is in a document.
func (at *endpoint) operation(below string, token openapi.Token) openapi.Operation {
	o := at.says
	o.Method, o.Path, o.Takes, o.Token = at.method, below+at.path, at.takes, token
	return o
}

// Parameters that several endpoints take.
var (
	afterParam  = openapi.String("the `next` of the page before")
	limitParam  = openapi.Integer(1, maxLimit, "how many there are in a page").Standard(defaultLimit)
	userSlot    = openapi.String("the user, as tokens name them")
	routeSlot   = openapi.Form(`^[A-Za-z0-9_-]{1,64}$`, "the name of the route")
	sessionSlot = openapi.String("the session of a token, or `user.<user>`")
)

type params = map[string]openapi.Param

// ok is the answer 200 with JSON.
func ok(says string, of any) []openapi.Answer {
	return []openapi.Answer{{Status: http.StatusOK, Says: says, Bodies: openapi.JSON(of)}}
}

// done is the answer 204.
func done(says string) []openapi.Answer {
	return []openapi.Answer{{Status: http.StatusNoContent, Says: says}}
}

// probes are the endpoints that need no token: what load balancers and Prometheus ask. Some
// balancers ask by OPTIONS.
func (a *Admin) probes() (table []endpoint) {
	add := func(path, id, does string, answers []openapi.Answer, serve handler, methods ...string) {
		for _, method := range methods {
			at := endpoint{method: method, path: path, serve: serve, says: openapi.Operation{ID: id, Does: does, Answers: answers}}
			if path == "/metrics" {
				at.takes, at.says.Means = parameter.List{}.Many("name[]"), params{"name[]": openapi.String("only metrics of this name")}
			}
			if method != http.MethodGet {
				at.says.ID += method
			}
			if method == http.MethodHead {
				at.says.Answers = nil
				for _, answer := range answers {
					answer.Bodies = nil
					at.says.Answers = append(at.says.Answers, answer)
				}
			}
			table = append(table, at)
		}
	}
	fine := openapi.Answer{Status: http.StatusOK, Says: "it is", Bodies: openapi.Text()}
	add("/healthz", "health", "Says whether the process runs.", []openapi.Answer{fine}, func(w http.ResponseWriter, _ *request) error {
		return text(w, http.StatusOK, "ok")
	}, http.MethodGet, http.MethodHead, http.MethodOptions)
	add("/readyz", "ready", "Says whether clients are let in.",
		[]openapi.Answer{fine, {Status: http.StatusServiceUnavailable, Says: "not yet, or not any more, and why", Bodies: openapi.Text()}},
		func(w http.ResponseWriter, _ *request) error {
			if err := a.deps.Ready(); err != nil {
				return text(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			}
			return text(w, http.StatusOK, "ready")
		}, http.MethodGet, http.MethodHead, http.MethodOptions)
	add("/metrics", "metrics", "Metrics in one of Prometheus' formats.",
		[]openapi.Answer{{Status: http.StatusOK, Says: "the metrics", Bodies: openapi.Text()}},
		func(w http.ResponseWriter, r *request) error {
			a.metrics.ServeHTTP(w, r.Request)
			return nil
		}, http.MethodGet, http.MethodHead)
	return table
}

// table lists the endpoints that are about the node as a whole.
func (a *Admin) table() []endpoint {
	return []endpoint{
		{method: "GET", path: "nodes", serve: a.listNodes, says: openapi.Operation{
			ID: "listNodes", Does: "Each node, who leads what, and how far each copy is.", Answers: ok("the nodes", nodeList{})}},
		{method: "DELETE", path: "nodes/{node}", serve: a.removeNode, says: openapi.Operation{
			ID: "removeNode", Does: "Removes a dead node from the cluster for good.", Means: params{"node": openapi.String("the name of the node")},
			Answers: done("it is removed"), Fails: []problem.Code{problem.NotFound, problem.Conflict, problem.StoreUnavailable}}},
		{method: "GET", path: "export", serve: a.exportBuckets, says: openapi.Operation{
			ID: "exportBuckets", Does: "The buckets `blacklist` and `routes`.", Says: "JSON Lines: a head, a line for each entry, and an end that counts them.",
			Answers: []openapi.Answer{{Status: http.StatusOK, Says: "the entries", Bodies: []openapi.Body{{Type: exportType, Of: openapi.Schema{"type": "string"}}}}},
			Fails:   []problem.Code{problem.StoreUnavailable}}},
		{method: "POST", path: "import", takes: parameter.Once("first_line"), serve: a.importBuckets, says: openapi.Operation{
			ID: "importBuckets", Does: "Stores an export, or some lines of one.", Means: params{"first_line": openapi.Integer(1, 0, "the number that the first line has in its file").Standard(1)},
			Bodies: []openapi.Body{{Type: exportType, Of: openapi.Schema{"type": "string"}}}, Answers: ok("all of it is stored", kv.Imported{}),
			Fails: []problem.Code{problem.TooLarge, problem.DiskFull, problem.StoreUnavailable}}},
		{method: "POST", path: "events", takes: a.deps.Publishing.Takes, serve: func(w http.ResponseWriter, r *request) error {
			return a.deps.Publish(w, r.Request)
		}, says: a.deps.Publishing},
		{method: "POST", path: "replies/{correlation}", serve: a.takeReply, says: openapi.Operation{
			ID: "answerRequest", Does: "Answers a request that waits, on any node.", Says: "`Weft-Status` is the status of the answer, 200 without it; the rest of the header that a route lets pass goes with it.",
			Means: params{"correlation": openapi.String("the correlation id of the request")}, Bodies: openapi.Anything("the body of the answer"),
			Answers: done("the request is answered"), Fails: []problem.Code{problem.NotFound, problem.TooLarge, problem.NotReady}}},
		{method: "POST", path: "drain", serve: a.drain, says: openapi.Operation{
			ID: "drain", Does: "Stops the node as SIGTERM does.",
			Answers: []openapi.Answer{{Status: http.StatusAccepted, Says: "it begins", Bodies: openapi.JSON(draining{})}}, Fails: []problem.Code{problem.NotFound}}},
		{method: "GET", path: "openapi.json", serve: func(w http.ResponseWriter, r *request) error {
			return a.document.Answer(w, r.Request)
		}, says: openapi.Operation{ID: "describe", Does: "This document.", Answers: openapi.Documents(true)}},
	}
}
