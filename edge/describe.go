package edge

import (
	"net/http"
	"strings"

	"weft/edge/access"
	"weft/edge/openapi"
	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/edge/transport"
)

// grants are how requests of the public listener may say who they are from.
type grants struct {
	tokens, tokenInQuery bool
	guests               bool // somebody without a token may do something
	named                bool // the listener answers to some host names only
}

// table lists the endpoints of Weft's own paths.
func (m *mux) table() []endpoint {
	plain := func(name string, serve func(w http.ResponseWriter, r *http.Request) error) func(http.ResponseWriter, *http.Request, string) {
		return func(w http.ResponseWriter, r *http.Request, _ string) { m.plain(w, r, name, serve(w, r)) }
	}
	all := []endpoint{
		{method: "GET", path: pathEvents, serve: func(w http.ResponseWriter, r *http.Request, _ string) { m.connect.serve(w, r) }, says: followOperation(m.connect.takes)},
		{method: "POST", path: pathEvents, serve: plain(requestPublish, m.publish.serve), says: publishOperation(m.publish.takes)},
		{method: "GET", path: pathMe, serve: plain(requestMe, m.me.serve), says: openapi.Operation{
			ID: "getGrants", Does: "What a token grants.", Takes: m.me.takes, Means: who(m.me.takes), Token: openapi.Optional,
			Answers: ok("what it grants, or, without a token, what visitors may", grantee{})}},
		{method: "PATCH", path: pathConnections, slot: "connection", serve: func(w http.ResponseWriter, r *http.Request, connection string) {
			m.plain(w, r, requestChange, m.change.serve(w, r, connection))
		}, says: changeOperation(m.change.takes)},
	}
	type file struct {
		path, id, does string
		serve          http.Handler
		answers        func(body bool) []openapi.Answer
	}
	var files []file
	for _, of := range m.modules {
		files = append(files, file{pathModules + of.Name, of.ID, of.Does, of, moduleAnswers})
	}
	for _, at := range append(files, file{pathDocument, "Description", "This document.", http.HandlerFunc(m.showDocument), openapi.Documents}) {
		serve := func(w http.ResponseWriter, r *http.Request, _ string) { at.serve.ServeHTTP(w, r) }
		all = append(all,
			endpoint{method: "GET", path: at.path, serve: serve, says: openapi.Operation{
				ID: "get" + at.id, Does: at.does, Token: openapi.Unread, Answers: at.answers(true)}},
			endpoint{method: "HEAD", path: at.path, serve: serve, says: openapi.Operation{
				ID: "head" + at.id, Does: strings.TrimSuffix(at.does, ".") + ": the header alone.", Token: openapi.Unread, Answers: at.answers(false)}})
	}
	return all
}

// describe makes the document of the public listener, of the table by which it dispatches.
func (m *mux) describe() ([]byte, error) {
	l := openapi.Listener{
		Title: "Weft, public listener",
		Says: "For browsers, devices, and who publishes with a token. Unknown parameters are refused. " +
			"What a later version adds to an answer is to be ignored. Paths that do not begin with `/_weft/` belong to the routes, which are not described here.",
		Fails: []problem.Code{problem.BadRequest, problem.Internal},
	}
	if m.grants.named {
		l.Also = []openapi.Refusal{{Status: http.StatusMisdirectedRequest, Code: problem.Forbidden}}
	}
	if m.grants.tokens {
		l.TokenFails = []problem.Code{problem.TokenInvalid, problem.TokenExpired, problem.TokenRevoked, problem.Forbidden, problem.NotReady}
		l.Tokens = []openapi.Scheme{openapi.Bearer, openapi.Cookie(access.Cookie)}
	}
	if m.grants.tokenInQuery {
		l.Tokens = append(l.Tokens, openapi.Query(access.QueryToken))
	}
	var all []openapi.Operation
	for _, at := range m.endpoints {
		o := at.says
		o.Method, o.Path = at.method, at.path
		if at.slot != "" {
			o.Path += "{" + at.slot + "}"
		}
		all = append(all, m.grants.ask(o))
	}
	return openapi.Document(l, all)
}

// ask says whether an operation needs a token here. Visitors may do only what Optional has.
func (g grants) ask(o openapi.Operation) openapi.Operation {
	if o.Token == openapi.Optional && !g.guests {
		o.Token = openapi.Needed
	}
	if !g.tokens && o.Token != openapi.Unread {
		o.Fails = append(o.Fails, problem.TokenMissing, problem.TokenRevoked, problem.Forbidden, problem.NotReady)
	}
	return o
}

// showDocument serves the document, to pages of any origin.
func (m *mux) showDocument(w http.ResponseWriter, r *http.Request) {
	_, err := parameter.List{}.Read(r.URL.RawQuery)
	if err == nil {
		access.AnyOrigin(w.Header())
		if err = m.document.Answer(w, r); err == nil {
			return
		}
		m.report.failed("describe the public listener", "err", err)
	}
	problem.Write(w, err)
}

type params = map[string]openapi.Param

// ok is the answer 200 with JSON.
func ok(says string, of any) []openapi.Answer {
	return []openapi.Answer{{Status: http.StatusOK, Says: says, Bodies: openapi.JSON(of)}}
}

// who is the meaning of user= where the list has it.
func who(takes parameter.List) params {
	if takes.Has("user") {
		return params{"user": openapi.String("who asks")}
	}
	return params{}
}

func followOperation(takes parameter.List) openapi.Operation {
	means := transport.Meanings()
	if takes.Has("user") {
		means["user"] = openapi.String("who follows")
	}
	return openapi.Operation{
		ID: "followEvents", Does: "Follows events.",
		Says: "With `Upgrade: websocket` by a WebSocket, whose sub-protocols are `weft.v1` and perhaps `bearer.<token>`; with `Accept: text/event-stream` by Server-Sent Events; " +
			"else by a long poll, which is answered as soon as there is an event, or when `wait` is over. Who asks for Server-Sent Events is told with 200 and `weft.close` " +
			"what passes by waiting, since an `EventSource` does not come back after any other status.",
		Takes: takes, Means: means, Token: openapi.Optional,
		Headers: []openapi.Header{{Name: "Last-Event-ID", Param: openapi.String("resume after this id")}},
		Answers: []openapi.Answer{
			{Status: http.StatusSwitchingProtocols, Says: "a WebSocket with JSON frames"},
			{Status: http.StatusOK, Says: "a stream of Server-Sent Events, or what a long poll has gathered; its `events` are as `format` says", Bodies: []openapi.Body{
				{Type: "text/event-stream", Of: openapi.Schema{"type": "string"}},
				{Type: "application/json", Of: transport.Polled{}}}},
		},
		Fails: []problem.Code{problem.BadSubject, problem.Forbidden, problem.Limit, problem.NotReady, problem.Draining, problem.StoreUnavailable},
		Also:  []openapi.Refusal{{Status: http.StatusUpgradeRequired, Code: problem.BadRequest}},
	}
}

func changeOperation(takes parameter.List) openapi.Operation {
	means := who(takes)
	means["connection"] = openapi.String("the connection, as `weft.open` names it")
	return openapi.Operation{
		ID: "changeConnection", Does: "Changes what an open connection follows, or its token.",
		Says:  "Any node takes it. The caller must be the user of the connection. A change is made as a whole or not at all.",
		Takes: takes, Means: means, Bodies: openapi.JSON(transport.ChangeSchema()), BodyNeeded: true,
		Answers: ok("the change is in force", following{}),
		Fails: []problem.Code{problem.BadSubject, problem.Forbidden, problem.NotFound, problem.UserMismatch, problem.Limit, problem.NotReady,
			problem.StoreUnavailable, problem.UpstreamTimeout},
	}
}

func publishOperation(takes parameter.List) openapi.Operation {
	means := params{
		"user":    openapi.NonEmpty("whom the event is for"),
		"subject": openapi.Subject("where the event goes, such as `topic.hotel.42`"),
		"type":    openapi.EventType("the type of the event"),
		"rule":    openapi.NonEmpty("one of `ingest.rules`, which says whom the event is for; not with `user` and `subject`"),
	}
	if takes.Has("publisher") {
		means["publisher"] = openapi.NonEmpty("who publishes")
	}
	event := openapi.Schema{"type": "object", "required": []string{"specversion", "id", "source", "type"}, "properties": openapi.Schema{
		"specversion": openapi.Schema{"type": "string"}, "id": openapi.Schema{"type": "string"}, "source": openapi.Schema{"type": "string"}, "type": openapi.Schema{"type": "string"},
		"user":  openapi.Schema{"description": "whom the event is for"},
		"topic": openapi.Schema{"description": "the topic that it goes to, without the prefix `topic.`"}}}
	return openapi.Operation{
		ID: "publish", Does: "Publishes events.",
		Says: "A CloudEvent, structured or binary (headers `ce-…`), a batch of them, or any body with `user` or `subject`. " +
			"After 503 it is unknown whether the event is stored: send it again with the same id or `Idempotency-Key`.",
		Takes: takes, Means: means, Headers: []openapi.Header{
			{Name: "Idempotency-Key", Param: openapi.NonEmpty("what has the same key within two minutes is stored once")}},
		Bodies: append(openapi.Anything("the payload"),
			openapi.Body{Type: "application/cloudevents+json", Of: event},
			openapi.Body{Type: "application/cloudevents-batch+json", Of: openapi.Schema{"type": "array", "items": event, "minItems": 1}}),
		Answers: []openapi.Answer{{Status: http.StatusAccepted, Says: "all is stored; an id for each subject", Bodies: openapi.JSON(accepted{})}},
		Fails: []problem.Code{problem.Forbidden, problem.BadSubject, problem.BadEvent, problem.TooLarge, problem.UnsupportedType, problem.Limit, problem.NotReady,
			problem.DiskFull, problem.StoreUnavailable},
	}
}

// moduleAnswers are those of the client.
func moduleAnswers(body bool) []openapi.Answer {
	answers := openapi.Documents(body)
	answers[0].Says = "the module"
	if body {
		answers[0].Bodies = []openapi.Body{{Type: "text/javascript", Of: openapi.Schema{"type": "string"}}}
	}
	return answers
}
