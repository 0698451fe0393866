package admin

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"weft/edge/openapi"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/rpc"
	"weft/jetstream/subject"
)

// connections tells who is connected, on any node, and ends connections.
type connections struct {
	sessions *session.Registry // of this node
	nodes    *rpc.RPC
	// online reports whether somebody's subscription to an inbox lasts, on any node, and
	// whether that is sure.
	online func(ctx context.Context, inbox string) (online, sure bool)
	log    *slog.Logger
}

// table lists the endpoints of who is connected.
func (c *connections) table() []endpoint {
	const topic = "a topic, without the prefix `topic.`"
	return []endpoint{
		{method: "GET", path: "users", takes: pages.And("prefix", "topic"), serve: c.listUsers, says: openapi.Operation{
			ID: "listUsers", Does: "Users with connections, and how many.",
			Means: params{"after": afterParam, "limit": limitParam, "prefix": openapi.String("only users whose names begin so"),
				"topic": openapi.Topic("only users who follow this, and how many of their connections do: " + topic)},
			Answers: ok("a page of users", userList{}), Fails: []problem.Code{problem.BadSubject}}},
		{method: "GET", path: "users/{user}", serve: c.getUser, says: openapi.Operation{
			ID: "getUser", Does: "Whether the user is online, and on which connections.", Means: params{"user": userSlot},
			Answers: ok("the user, known or not", userConnections{})}},
		{method: "GET", path: "topics/{topic}", takes: pages, serve: c.getTopic, says: openapi.Operation{
			ID: "getTopic", Does: "Who follows a topic.", Means: params{"topic": openapi.Topic(topic), "after": afterParam, "limit": limitParam},
			Answers: ok("its followers, a page of them by name", topicFollowers{}), Fails: []problem.Code{problem.BadSubject}}},
	}
}

// userEntry is an element of a list of users.
type userEntry struct {
	User        string `json:"user"`
	Connections int    `json:"connections"`
}

// A userQuery asks for a page of a list of users, of one topic if there is one. A node
// that does not know Prefix tells of others, too: merge leaves them out.
type userQuery struct {
	Topic  string `json:"topic,omitempty"`
	Prefix []byte `json:"prefix,omitempty"` // of the user
	After  []byte `json:"after"`            // whatever bytes a user consists of
	Limit  int    `json:"limit"`
}

func (c *connections) usersHere(_ context.Context, q userQuery) userPart {
	limit := partLimit(q.Limit)
	var items []userEntry
	for _, u := range c.sessions.Users(string(q.Prefix), string(q.After), limit+1) {
		items = append(items, userEntry{u, len(c.sessions.OfUser(u))})
	}
	return partOf(items, limit)
}

// A userList is a page of users.
type userList struct {
	page[userEntry]
	rpc.Coverage
}

// listUsers lists the users with connections whose names begin with a prefix, if there
// is one, and who follow a topic, if there is one, by its name or by a wildcard.
func (c *connections) listUsers(w http.ResponseWriter, r *request) error {
	after, limit, err := pageQuery(r.query)
	if err != nil {
		return err
	}
	prefix := r.query.Get("prefix")
	q := userQuery{Prefix: []byte(prefix), After: []byte(startOf(prefix, after)), Limit: limit}
	var parts []userPart
	var coverage rpc.Coverage
	if r.query.Has("topic") {
		if q.Topic, err = topicOf(r.query.Get("topic")); err != nil {
			return err
		}
		_, parts, coverage, err = c.followersOf(r.Context(), q)
	} else {
		var said []rpc.Result[userPart]
		said, coverage, err = rpc.CallAllJSON[userPart](r.Context(), c.nodes, methodUsers, q)
		for _, s := range said {
			parts = append(parts, s.Answer)
		}
	}
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, userList{merge(parts, prefix, limit), coverage})
}

// connection is an open connection as operators see it.
type connection struct {
	session.About
	Session string `json:"session"`
}

// A connectionQuery asks for a page of a user's connections, by their ids.
type connectionQuery struct {
	User  []byte `json:"user"`
	After string `json:"after"`
}

// connectionPart is such a page; with More there are others after the last one.
type connectionPart struct {
	Items []connection `json:"items"`
	More  bool         `json:"more"`
}

// connectionsPage is how many connections, each of at most 4 KiB, a node tells
// at once.
const connectionsPage = 200

func (c *connections) connectionsHere(_ context.Context, q connectionQuery) (p connectionPart) {
	list := c.sessions.OfUser(string(q.User))
	slices.SortFunc(list, func(x, y *session.Session) int { return strings.Compare(x.About().ID, y.About().ID) })
	for _, s := range list {
		if s.About().ID <= q.After {
			continue
		}
		if len(p.Items) == connectionsPage {
			p.More = true
			return p
		}
		p.Items = append(p.Items, connection{s.About(), s.Identity().Session})
	}
	return p
}

// connectionsOf gathers a user's connections from all nodes, the oldest first.
func (c *connections) connectionsOf(ctx context.Context, user string) ([]connection, rpc.Coverage, error) {
	q := connectionQuery{User: []byte(user)}
	said, coverage, err := rpc.CallAllJSON[connectionPart](ctx, c.nodes, methodConnections, q)
	if err != nil {
		return nil, coverage, err
	}
	list := []connection{}
	for _, s := range said {
		part := s.Answer
		list = append(list, part.Items...)
		for part.More && len(part.Items) > 0 {
			q.After = part.Items[len(part.Items)-1].ID
			if part, err = callAgain[connectionPart](ctx, c.nodes, s.Node, methodConnections, q); err != nil {
				coverage.Miss(1)
				break
			}
			list = append(list, part.Items...)
		}
	}
	slices.SortFunc(list, func(x, y connection) int {
		if order := x.Since.Compare(y.Since); order != 0 {
			return order
		}
		return strings.Compare(x.ID, y.ID)
	})
	return list, coverage, nil
}

// userConnections are a user with all connections.
type userConnections struct {
	User        string       `json:"user"`
	Online      bool         `json:"online"`
	Connections []connection `json:"connections"`
	rpc.Coverage
}

// getUser tells of a user's connections. Online is who has one, and for a moment
// longer whose subscription lasts, so that a page reload does not show.
func (c *connections) getUser(w http.ResponseWriter, r *request) error {
	list, coverage, err := c.connectionsOf(r.Context(), r.name)
	if err != nil {
		return err
	}
	online := len(list) > 0
	if inbox, err := subject.OfUser(r.name); err == nil && !online {
		var sure bool
		if online, sure, err = c.lingers(r.Context(), inbox); err != nil {
			return err
		}
		coverage.Complete = coverage.Complete && sure
	}
	return answer(w, http.StatusOK, userConnections{r.name, online, list, coverage})
}

// lingers reports whether an inbox is subscribed to for its user, who has no connection
// any more, and whether that is sure. A subscription that others follow the inbox by, as
// privileged users may, says nothing of its user.
func (c *connections) lingers(ctx context.Context, inbox string) (lingers, sure bool, err error) {
	if lingers, sure = c.online(ctx, inbox); !lingers {
		return false, sure, nil
	}
	all, _, coverage, err := c.followersOf(ctx, userQuery{Topic: inbox, Limit: 1})
	return *all.Named == 0, coverage.Complete, err
}
