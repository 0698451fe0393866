package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"weft/edge/problem"
	"weft/jetstream/cluster"
	"weft/jetstream/rpc"
)

// Methods by which nodes call each other on behalf of an operator.
const (
	methodUsers       = "users"
	methodConnections = "connections"
	methodDisconnect  = "disconnect"
	methodTopic       = "topic"
	methodFind        = "find"
	methodEnd         = "end"
	methodNode        = "node"
)

// How many of these calls a node answers at once. A topic is looked for in
// every connection.
const (
	inFlight      = 16
	topicInFlight = 4
)

// answerNodes lets this node say what it knows when any node is asked.
func (a *Admin) answerNodes(c *connections, e *ender) {
	rpc.HandleJSON(c.nodes, methodUsers, inFlight, c.usersHere)
	rpc.HandleJSON(c.nodes, methodConnections, inFlight, c.connectionsHere)
	rpc.HandleJSON(c.nodes, methodFind, inFlight, c.findHere)
	rpc.HandleJSON(c.nodes, methodDisconnect, inFlight, e.disconnectHere)
	rpc.HandleJSON(c.nodes, methodEnd, inFlight, e.endHere)
	rpc.HandleJSON(c.nodes, methodTopic, topicInFlight, c.topicHere)
	rpc.HandleJSON(c.nodes, methodNode, inFlight, a.nodeHere)
}

// node is one node as operators see it.
type node struct {
	Name        string    `json:"name"`
	Ready       bool      `json:"ready"`
	Reason      string    `json:"reason,omitempty"`
	Version     string    `json:"version"`
	Started     time.Time `json:"started"`
	Connections int       `json:"connections"`
	// Linked names the other nodes that there is a link to.
	Linked []string `json:"linked,omitempty"`
	// Staleness is how old the node's copy of the blacklist may be; nil before
	// it is known.
	Staleness *float64 `json:"blacklist_staleness_seconds,omitempty"`
}

func (a *Admin) nodeHere(context.Context, struct{}) node {
	n := node{
		Name: a.deps.Node.Name, Ready: true, Version: a.deps.Version, Started: a.deps.Node.Started.UTC().Truncate(time.Second),
		Connections: a.deps.Sessions.Len(), Linked: a.deps.Node.Cluster.Peers(),
	}
	if age, ok := a.deps.Node.Blacklist.Staleness(); ok {
		seconds := age.Round(time.Millisecond).Seconds()
		n.Staleness = &seconds
	}
	if err := a.deps.Ready(); err != nil {
		n.Ready, n.Reason = false, err.Error()
	}
	return n
}

// nodeList is all that is known of the cluster. It is short and has one page.
type nodeList struct {
	page[node]
	rpc.Coverage
	// Groups is who leads the stream, the buckets and the members ("meta"), and
	// who has a copy. A standalone node has none.
	Groups []cluster.Group `json:"groups,omitempty"`
	// Missing names the members that did not answer.
	Missing []string `json:"missing,omitempty"`
}

// findMissing names the members that are not among those that answered, first as this
// node knows the members, and once the groups have answered as their leader does: this
// node hears of a removal up to a second later, and of nobody while its store is down.
func (l *nodeList) findMissing(members []string) {
	for _, g := range l.Groups {
		if g.Name == cluster.GroupMeta && g.Leader != "" {
			members = nil
			for _, r := range g.Replicas {
				members = append(members, r.Node)
			}
		}
	}
	l.Missing = slices.DeleteFunc(slices.Clone(members), func(name string) bool {
		return slices.ContainsFunc(l.Items, func(n node) bool { return n.Name == name })
	})
}

// leadersTime is how long leaders are waited for once a member has not answered: it
// may have been the one that led, and who asks wants to know who is missing now.
const leadersTime = 400 * time.Millisecond

func (a *Admin) listNodes(w http.ResponseWriter, r *request) error {
	asking, stop := context.WithCancel(r.Context())
	defer stop()
	groups := make(chan []cluster.Group, 1)
	go func() { groups <- a.deps.Node.Cluster.Groups(asking) }()
	said, coverage, err := rpc.CallAllJSON[node](r.Context(), a.deps.Node.RPC, methodNode, struct{}{})
	if err != nil {
		return err
	}
	list := nodeList{page: page[node]{Items: []node{}}, Coverage: coverage}
	for _, s := range said {
		list.Items = append(list.Items, s.Answer)
	}
	slices.SortFunc(list.Items, func(x, y node) int { return strings.Compare(x.Name, y.Name) })
	members := a.deps.Node.Cluster.Members()
	list.findMissing(members)
	if len(list.Missing) > 0 {
		defer time.AfterFunc(leadersTime, stop).Stop()
	}
	list.Groups = <-groups
	list.findMissing(members)
	return answer(w, http.StatusOK, list)
}

// draining is what who asks for it is answered.
type draining struct {
	Draining bool `json:"draining"`
}

// drain answers at once; the node says goodbye and stops afterwards.
func (a *Admin) drain(w http.ResponseWriter, _ *request) error {
	if a.deps.Drain == nil {
		return problem.New(problem.NotFound, "this node cannot be drained from here")
	}
	a.log.Info("draining was asked for by an operator")
	go a.deps.Drain()
	return answer(w, http.StatusAccepted, draining{true})
}
