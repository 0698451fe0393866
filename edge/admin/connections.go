package admin

import (
	"net/http"
	"slices"
	"strings"

	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/subject"
)

// connection is an open connection as operators see it.
type connection struct {
	session.About
	Session string `json:"session"`
}

func describe(list []*session.Session) []connection {
	out := make([]connection, 0, len(list))
	for _, s := range list {
		out = append(out, connection{s.About(), s.Identity().Session})
	}
	return out
}

// userEntry is an element of a list of users.
type userEntry struct {
	User        string `json:"user"`
	Connections int    `json:"connections"`
}

func (u userEntry) key() string { return u.User }

func (a *Admin) listUsers(w http.ResponseWriter, r *http.Request, _ string) error {
	after, limit, err := pageQuery(r.URL)
	if err != nil {
		return err
	}
	var items []userEntry
	for _, u := range a.deps.Sessions.Users(after, limit+1) {
		items = append(items, userEntry{u, len(a.deps.Sessions.OfUser(u))})
	}
	return answer(w, http.StatusOK, pageOf(items, limit, userEntry.key))
}

func (a *Admin) getUser(w http.ResponseWriter, _ *http.Request, user string) error {
	list := describe(a.deps.Sessions.OfUser(user))
	return answer(w, http.StatusOK, struct {
		User        string       `json:"user"`
		Online      bool         `json:"online"`
		Connections []connection `json:"connections"`
	}{user, len(list) > 0, list})
}

// disconnectUser ends a user's connections. With reconnect=true their clients
// are told to come back.
func (a *Admin) disconnectUser(w http.ResponseWriter, r *http.Request, user string) error {
	cause := session.Disconnected
	switch r.URL.Query().Get("reconnect") {
	case "", "false":
	case "true":
		cause = session.Dismissed
	default:
		return problem.New(problem.BadRequest, "reconnect is neither true nor false")
	}
	n := 0
	for _, s := range a.deps.Sessions.OfUser(user) {
		if s.End(cause) {
			n++
		}
	}
	a.log.Info("connections of a user ended by an operator", "user", user, "connections", n)
	return answer(w, http.StatusOK, map[string]int{"disconnected": n})
}

// getTopic lists the users that follow a topic, by name or by a wildcard.
// Anonymous followers are counted without a name.
func (a *Admin) getTopic(w http.ResponseWriter, r *http.Request, topic string) error {
	after, limit, err := pageQuery(r.URL)
	if err != nil {
		return err
	}
	topic = subject.Topic + topic
	if err := subject.Check(topic); err != nil {
		return problem.New(problem.BadSubject, "a topic is <token>.<token>…, other bytes than letters, digits, - and _ written =XX")
	}
	connections, users := 0, map[string]int{}
	for _, s := range a.deps.Sessions.All() {
		if s.Follows(topic) {
			connections++
			if user := s.Identity().User; user != "" {
				users[user]++
			}
		}
	}
	var items []userEntry
	for u, n := range users {
		if u > after {
			items = append(items, userEntry{u, n})
		}
	}
	slices.SortFunc(items, func(x, y userEntry) int { return strings.Compare(x.User, y.User) })
	return answer(w, http.StatusOK, struct {
		Topic     string `json:"topic"`
		Followers int    `json:"followers"`
		page[userEntry]
	}{strings.TrimPrefix(topic, subject.Topic), connections, pageOf(items, limit, userEntry.key)})
}

// node is this node as operators see it.
type node struct {
	Name        string `json:"name"`
	Ready       bool   `json:"ready"`
	Reason      string `json:"reason,omitempty"`
	Connections int    `json:"connections"`
	// Linked names the other nodes that there is a link to.
	Linked []string `json:"linked,omitempty"`
}

func (a *Admin) listNodes(w http.ResponseWriter, _ *http.Request, _ string) error {
	n := node{Name: a.deps.Node.Name(), Ready: true, Connections: a.deps.Sessions.Len(), Linked: a.deps.Node.Peers()}
	if err := a.deps.Ready(); err != nil {
		n.Ready, n.Reason = false, err.Error()
	}
	return answer(w, http.StatusOK, page[node]{Items: []node{n}})
}

// drain answers at once; the node says goodbye and stops afterwards.
func (a *Admin) drain(w http.ResponseWriter, _ *http.Request, _ string) error {
	if a.deps.Drain == nil {
		return problem.New(problem.NotFound, "this node cannot be drained from here")
	}
	a.log.Info("draining was asked for by an operator")
	go a.deps.Drain()
	return answer(w, http.StatusAccepted, map[string]bool{"draining": true})
}
