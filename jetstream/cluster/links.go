package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"weft/jetstream/api"
	"weft/jetstream/server"
)

const (
	// memberEvery is how often a node looks at its links.
	memberEvery = 250 * time.Millisecond
	// settled is how long the links to a majority must have lasted before the
	// node is ready.
	settled = 5 * time.Second
	// healthTry bounds one look at the replicas.
	healthTry = time.Second
)

// membership is what a node knows of its place in the cluster.
type membership struct {
	mu    sync.Mutex
	peers []string // names of the nodes that there is a link to
	// relinked is when the newest of these links was made.
	relinked time.Time
	known    int       // members of the cluster, this one included
	linked   int       // of these: those there is a link to, this one included
	since    time.Time // since when there are links to a majority; zero: there are none
	cut      time.Time // since when there are not; zero: there are
	current  bool      // the local replicas have caught up since the start
	stale    string    // what has not
	ill      time.Time // since when they are not current any more; zero: they are
	entered  bool      // the cluster counts the node; asked again after a cut
	// expelled gets the error of Run once, when the node was removed.
	expelled chan error

	roster roster
}

func (n *Node) waitFor(what string) { n.waiting.Store(&what) }

// Clustered reports whether the node is one of several.
func (n *Node) Clustered() bool { return n.cfg.Cluster != nil }

// Peers returns the names of the nodes that this one is linked to, in order.
func (n *Node) Peers() []string { return n.srv.Peers() }

// known is how many members the cluster has.
func (n *Node) known() int {
	if n.cfg.Cluster == nil {
		return 1
	}
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	return max(n.members.known, n.cfg.Cluster.Size)
}

// watchMembers keeps membership true until ctx ends.
func (n *Node) watchMembers(ctx context.Context) {
	t := time.NewTicker(memberEvery)
	defer t.Stop()
	for {
		n.lookAround(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (n *Node) lookAround(ctx context.Context) {
	peers := n.srv.Peers()
	linked, known := len(peers)+1, n.srv.Members(n.cfg.Cluster.Size)
	m := &n.members
	m.mu.Lock()
	if n.logLinks(m.peers, peers) {
		m.relinked = time.Now()
	}
	m.peers, m.linked, m.known = peers, linked, known
	majority := linked > known/2
	now := time.Now()
	switch {
	case majority && m.since.IsZero():
		m.since, m.cut = now, time.Time{}
		n.log.Info("linked to a majority of the nodes", "linked", linked, "known", known)
	case !majority && m.cut.IsZero():
		m.since, m.cut, m.entered = time.Time{}, now, false
		n.log.Warn("cut off from the majority of the nodes", "linked", linked, "known", known)
	}
	current, entered := m.current, m.entered && n.srv.HasStore()
	m.mu.Unlock()
	if !majority {
		return
	}
	if !entered {
		n.reenter(ctx)
	}
	if current && n.srv.HasStore() && !n.disk.WasFull() {
		return
	}
	err := n.replicasCurrent(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil && m.current:
		m.ill = time.Time{}
		n.disk.Mended()
	case err == nil:
		m.current = true
		n.log.Info("the local replicas are current")
	case !m.current:
		m.stale = err.Error()
	case m.ill.IsZero():
		m.ill = now
	}
}

// illFor is for how long replicas that were current have not been so, of a
// store that has ended or whose disk was full; else it is 0.
func (m *membership) illFor() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ill.IsZero() {
		return 0
	}
	return time.Since(m.ill)
}

// renew makes the replicas count as not current until they have caught up.
func (m *membership) renew() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current, m.ill, m.stale = false, time.Time{}, "the embedded server is being restarted"
}

// reenter finds out whether the node was removed while it was cut off. A node
// that loses its store has been removed, or its disk is full.
func (n *Node) reenter(ctx context.Context) {
	try, cancel := context.WithTimeout(ctx, api.StartTry)
	defer cancel()
	buried, err := n.buried(try, server.PeerID(n.Name()))
	if err != nil {
		return // it is asked again
	}
	if !buried {
		n.members.mu.Lock()
		n.members.entered = true
		n.members.mu.Unlock()
		return
	}
	select {
	case n.members.expelled <- n.leave():
		<-ctx.Done() // there is no more to look at
	case <-ctx.Done():
	}
}

// logLinks says which links are new or gone, and reports whether any is new.
func (n *Node) logLinks(before, now []string) (some bool) {
	for _, name := range now {
		if !slices.Contains(before, name) {
			n.log.Info("linked to a node", "node", name)
			some = true
		}
	}
	for _, name := range before {
		if !slices.Contains(now, name) {
			n.log.Warn("the link to a node is gone", "node", name)
		}
	}
	return some
}

// replicasCurrent asks the server whether all that it holds has caught up.
func (n *Node) replicasCurrent(ctx context.Context) error {
	if !n.srv.HasStore() {
		return errors.New("the local store has stopped") // the server calls that healthy
	}
	try, cancel := context.WithTimeout(ctx, healthTry)
	defer cancel()
	m, err := n.system.RequestWithContext(try, "$SYS.REQ.SERVER."+n.srv.ID()+".HEALTHZ", nil)
	if err != nil {
		return fmt.Errorf("ask for the replicas: %w", err)
	}
	var resp struct {
		Data *natsserver.HealthStatus `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &resp); err != nil {
		return fmt.Errorf("ask for the replicas: %w", err)
	}
	if resp.Data == nil || resp.Data.Status != "ok" {
		return errors.New("the local replicas have not caught up")
	}
	return nil
}

// staleEnough is the age of the blacklist from which on a node that is cut off
// says it.
const staleEnough = 3 * time.Second

// because says more of why links are missing and of what it does; it is put
// behind the reason.
func (n *Node) because() string {
	why := n.srv.LinkFault()
	if age, ok := n.blacklist.Staleness(); ok && age > staleEnough {
		why += fmt.Sprintf("; the blacklist is as of %v ago", age.Round(time.Second))
	}
	return why
}

// ready is nil when the node is linked to a majority and its replicas are
// current. because is put behind the reason when links are missing.
func (m *membership) ready(because string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.since.IsZero():
		return fmt.Errorf("%w: linked to %d of %d nodes%s", api.ErrIsolated, m.linked, m.known, because)
	case time.Since(m.since) < settled:
		return fmt.Errorf("linked to a majority for less than %v", settled)
	case !m.entered:
		return errors.New("asking whether the node is still a member")
	case !m.current:
		return errors.New(m.stale)
	}
	return nil
}

// Relinked returns when the newest link to another node was made; zero: never.
func (n *Node) Relinked() time.Time {
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	return n.members.relinked
}

// linkedFor is for how long there have been links to a majority, 0 when there
// are not.
func (m *membership) linkedFor() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since.IsZero() {
		return 0
	}
	return time.Since(m.since)
}

// Isolated returns for how long the node has been cut off from the majority of
// its cluster, 0 when it is not, and whether that is longer than
// cluster.isolated_for.
func (n *Node) Isolated() (time.Duration, bool) {
	if n.cfg.Cluster == nil {
		return 0, false
	}
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	if n.members.cut.IsZero() {
		return 0, false
	}
	d := time.Since(n.members.cut)
	return d, d > n.cfg.Cluster.IsolatedFor
}

// connectSystem opens the connection for questions about the server itself.
func (n *Node) connectSystem() (err error) {
	n.system, err = n.srv.Connect(server.SystemUser, "system")
	return err
}
