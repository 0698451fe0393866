package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/server"
)

const (
	// settled is how long the links to a majority must have lasted before a node that
	// starts is ready: links that are made twice, from both sides, are one by then.
	settled = 200 * time.Millisecond
	// A node that was cut off waits longer, so that one whose links come and go does not
	// draw clients again and again: settledAfterCut, doubled for each cut whose links
	// had lasted for less than steady, up to settledAtMost.
	settledAfterCut = 500 * time.Millisecond
	settledAtMost   = 8 * time.Second
	steady          = time.Minute
)

// Links are what a node knows of its links to the others, and of its own copies. Its
// methods may be called concurrently.
type Links struct {
	cluster *server.ClusterConfig // nil: there are none

	mu    sync.Mutex
	peers []string // names of the nodes that there is a link to
	// relinked is when the newest of these links was made.
	relinked time.Time
	known    int           // members of the cluster, this one included
	linked   int           // of these: those there is a link to, this one included
	since    time.Time     // since when there are links to a majority; zero: there are none
	first    time.Time     // the same as the servers know it, at the first look
	settle   time.Duration // how long these must have lasted before the node is ready
	cut      time.Time     // since when there are not; zero: there are
	current  bool          // the local replicas have caught up since the start
	stale    string        // what has not
	ran      bool          // they were current since the server was started last
	ill      time.Time     // since when they are not current any more; zero: they are
	entered  bool          // the cluster counts the node; asked again after a cut
}

func newLinks(cluster *server.ClusterConfig) *Links { return &Links{cluster: cluster, settle: settled} }

// saw takes in which nodes this one is linked to, and how many members the cluster has.
// It reports whether that is a majority.
func (l *Links) saw(peers []string, known int, log *slog.Logger) (majority bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if logLinks(log, l.peers, peers) {
		l.relinked = now
	}
	l.peers, l.linked, l.known = peers, len(peers)+1, known
	majority = l.linked > known/2
	switch {
	case majority && l.since.IsZero():
		l.since, l.cut = now, time.Time{}
		if !l.first.IsZero() {
			l.since, l.first = l.first, time.Time{}
		}
		log.Info("linked to a majority of the nodes", "linked", l.linked, "known", known)
	case !majority && l.cut.IsZero():
		l.unsettle(now)
		// What it has may be old when it comes back, or more than the others agreed to.
		l.current, l.ill, l.stale = false, time.Time{}, "the local replicas are compared with those of the others"
		l.since, l.cut, l.entered = time.Time{}, now, false
		log.Warn("cut off from the majority of the nodes", "linked", l.linked, "known", known)
	}
	return majority
}

// wereLinked takes in since when there have been links to a majority before the first look;
// zero when there are none.
func (l *Links) wereLinked(since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !since.IsZero() && time.Since(since) > 0 {
		l.first = since
	}
}

// unsettle sets how long the next links must last, when those there were are gone. A
// node that has not been linked yet has not been cut off.
func (l *Links) unsettle(now time.Time) {
	switch {
	case l.since.IsZero():
	case now.Sub(l.since) < steady:
		l.settle = min(max(settledAfterCut, 2*l.settle), settledAtMost)
	default:
		l.settle = settledAfterCut
	}
}

// logLinks says which links are new or gone, and reports whether any is new.
func logLinks(log *slog.Logger, before, now []string) (some bool) {
	for _, name := range now {
		if !slices.Contains(before, name) {
			log.Info("linked to a node", "node", name)
			some = true
		}
	}
	for _, name := range before {
		if !slices.Contains(now, name) {
			log.Warn("the link to a node is gone", "node", name)
		}
	}
	return some
}

// standing says whether the replicas have caught up since the start, and whether the
// cluster has been asked about the node since it was linked to a majority.
func (l *Links) standing() (current, entered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current, l.entered
}

// enter is called when the cluster counts the node.
func (l *Links) enter() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entered = true
}

// checked takes in whether the replicas are current now, and why not; ended says that the
// store has ended, or its disk was full, and it does not mend itself. It reports
// whether the store is well: they are, and have been before.
func (l *Links) checked(err error, ended bool, log *slog.Logger) (well bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil && l.current:
		l.ill = time.Time{}
		return true
	case err == nil:
		l.current, l.ran, l.ill = true, true, time.Time{}
		log.Info("the local replicas are current")
	default:
		if !l.current {
			l.stale = err.Error()
		}
		switch {
		case !l.current && !(l.ran && ended): // they catch up
			l.ill = time.Time{}
		case l.ill.IsZero():
			l.ill = time.Now()
		}
	}
	return false
}

// Known is how many members the cluster has, this node included.
func (l *Links) Known() int {
	if l.cluster == nil {
		return 1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.known, l.cluster.Size)
}

// Count is how many other nodes this one is linked to, and how many it should be linked
// to: all members of the cluster, or before that is known as many as cluster.size says.
func (l *Links) Count() (up, all int) {
	if l.cluster == nil {
		return 0, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == 0 { // it has not looked around yet
		return 0, l.cluster.Size - 1
	}
	return l.linked - 1, l.known - 1
}

// Relinked returns when the newest link to another node was made; zero: never.
func (l *Links) Relinked() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.relinked
}

// LinkedFor is for how long there have been links to a majority, 0 when there
// are not.
func (l *Links) LinkedFor() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		return 0
	}
	return time.Since(l.since)
}

// Isolated returns for how long the node has been cut off from the majority of
// its cluster, 0 when it is not, and whether that is longer than
// cluster.isolated_for.
func (l *Links) Isolated() (time.Duration, bool) {
	if l.cluster == nil {
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut.IsZero() {
		return 0, false
	}
	d := time.Since(l.cut)
	return d, d > l.cluster.IsolatedFor
}

// CutOff reports whether the node is cut off from the majority of its cluster.
func (l *Links) CutOff() bool {
	d, _ := l.Isolated()
	return d > 0
}

// StaleFor is for how long replicas that were current have not been so, of a
// store that has ended or whose disk was full; else it is 0.
func (l *Links) StaleFor() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ill.IsZero() {
		return 0
	}
	return time.Since(l.ill)
}

// diverged makes the replicas count as not current until they have caught up: one of them
// holds what the others did not agree to.
func (l *Links) diverged() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.ill, l.stale = false, time.Time{}, "a local replica takes back what the other nodes did not agree to"
}

// Restarting makes the replicas count as not current until they have caught up.
func (l *Links) Restarting() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.ran, l.ill, l.stale = false, false, time.Time{}, "the embedded server is being restarted"
}

// ready is nil when the node is linked to a majority and its replicas are
// current. because is put behind the reason when links are missing.
func (l *Links) ready(because string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.since.IsZero():
		return fmt.Errorf("%w: linked to %d of %d nodes%s", api.ErrIsolated, l.linked, l.known, because)
	case time.Since(l.since) < l.settle:
		return fmt.Errorf("linked to a majority for less than %v", l.settle)
	case !l.entered:
		return errors.New("asking whether the node is still a member")
	case !l.current:
		return errors.New(l.stale)
	}
	return nil
}
