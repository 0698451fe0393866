package presence

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A world is a cluster to which anything happens.
type world struct {
	*cluster
	rand  *rand.Rand
	names []string
	// followed are who follows what from where.
	followed []followed
	// homes are on which node the only connection of a wanderer is; "": on none.
	homes map[string]string
	came  map[string]time.Time // when they came there
}

type followed struct {
	*diary
	node, subject string
}

// Wanderers always have one connection, but for the time that a page takes to be loaded
// again, all others have any number.
const wanderers, others = 3, 5

func newWorld(t *testing.T, seed uint64, lossy bool) *world {
	w := &world{rand: rand.New(rand.NewPCG(seed, 1)), names: []string{"n1", "n2", "n3"}, homes: map[string]string{}, came: map[string]time.Time{}}
	w.cluster = newCluster(t, w.names...)
	w.delay = func() time.Duration {
		if lossy && w.chance(2) {
			return -1
		}
		return w.upTo(150 * time.Millisecond)
	}
	w.answering = func() time.Duration { return w.upTo(150 * time.Millisecond) }
	for i := range wanderers {
		w.homes[fmt.Sprint("user.wanderer", i)] = "n1"
		w.nodes["n1"].set(fmt.Sprint("user.wanderer", i), 1)
	}
	return w
}

// upTo and chance may be called by several at once, in any order.
func (w *world) upTo(d time.Duration) time.Duration { return rand.N(d) }
func (w *world) chance(percent int) bool            { return rand.IntN(100) < percent }

func (w *world) any() *testNode {
	for {
		if n := w.nodes[w.names[w.rand.IntN(3)]]; n != nil {
			return n
		}
	}
}

// follow begins to follow something somewhere.
func (w *world) follow(t *testing.T, flicker bool) {
	s := fmt.Sprint("topic.t", w.rand.IntN(others))
	wanders := w.chance(40)
	if wanders {
		s = fmt.Sprint("user.wanderer", w.rand.IntN(wanderers))
	}
	n := w.any()
	d := n.follow(t, s, false)
	if wanders && flicker {
		d.mu.Lock()
		d.check = func(before, now State, first bool) {
			// The first state may be one without a connection.
			if !first && before.Connections > 0 && now.Connections != before.Connections {
				t.Errorf("%s on %s: told %+v after %+v", s, n.name, now, before)
			}
		}
		d.mu.Unlock()
	}
	w.followed = append(w.followed, followed{d, n.name, s})
}

// unfollow ends those of a node that dies, or one.
func (w *world) unfollow(node string) {
	var stay []followed
	for i, f := range w.followed {
		if f.node == node || node == "" && i == 0 {
			f.stop()
			continue
		}
		stay = append(stay, f)
	}
	w.followed = stay
}

// wander takes a wanderer to another page, or to the same one again.
func (w *world) wander(s string) {
	w.mu.Lock()
	n := w.nodes[w.homes[s]]
	w.homes[s] = ""
	w.mu.Unlock()
	if n != nil {
		n.set(s, 0)
	}
	gap := w.upTo(4 * time.Second)
	time.AfterFunc(gap, func() {
		w.mu.Lock()
		var n *testNode
		for _, n = range w.nodes {
			break
		}
		w.homes[s], w.came[s] = n.name, time.Now()
		w.mu.Unlock()
		n.set(s, 1)
	})
}

// stays reports whether a wanderer is somewhere for so long that everybody knows.
func (w *world) stays(s string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.homes[s] != "" && time.Since(w.came[s]) > time.Second
}

// truth is how many connections there are.
func (w *world) truth(s string) (sum int) {
	for _, n := range w.nodes {
		sum += n.Connections(s)
	}
	return sum
}

// Whatever happens: nobody is told more than once a second or twice the same, nobody is
// told after stop, in the end all know the truth; and unless nodes are cut off from each
// other nobody sees that a page is loaded again.
func TestWhateverHappensFollowersLearnTheTruthAndNoMoreThanOnceASecond(t *testing.T) {
	for seed := range uint64(20) {
		for _, cuts := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) { happen(t, newWorld(t, seed, cuts), cuts) })
			if t.Failed() {
				t.Fatalf("seed %d, with cuts: %v", seed, cuts)
			}
		}
	}
}

func happen(t *testing.T, w *world, cuts bool) {
	defer w.close()
	for range 400 {
		switch p := w.rand.IntN(100); {
		case p < 45:
			w.any().add(fmt.Sprint("topic.t", w.rand.IntN(others)), 1)
		case p < 75:
			if n, s := w.any(), fmt.Sprint("topic.t", w.rand.IntN(others)); n.Connections(s) > 0 {
				n.add(s, -1)
			}
		case p < 83:
			w.follow(t, !cuts)
		case p < 88:
			w.unfollow("")
		case p < 95:
			if s := fmt.Sprint("user.wanderer", w.rand.IntN(wanderers)); w.stays(s) {
				w.wander(s)
			}
		case p < 97 && cuts:
			a, b := w.names[w.rand.IntN(3)], w.names[w.rand.IntN(3)]
			if a != b {
				w.setCut(a, b, !w.cut[pair(a, b)])
			}
		case p < 98 && len(w.nodes) > 2:
			name, stay := w.any().name, true
			w.mu.Lock()
			homes := maps.Clone(w.homes)
			w.mu.Unlock()
			for s, home := range homes {
				stay = stay && (home != name || w.stays(s))
			}
			if stay {
				w.die(name)
			}
		case p < 100:
			for _, name := range w.names {
				if w.nodes[name] == nil {
					w.start(name)
				}
			}
		}
		time.Sleep(time.Duration(w.rand.ExpFloat64() * float64(300*time.Millisecond)))
	}
	w.settle(t)
}

// die ends a node; who is connected to it comes back through another one.
func (w *world) die(name string) {
	w.kill(name)
	w.unfollow(name)
	w.mu.Lock()
	homes := maps.Clone(w.homes)
	w.mu.Unlock()
	for s, home := range homes {
		if home == name {
			w.wander(s)
		}
	}
}

// settle mends everything, lets nothing more happen, and compares.
func (w *world) settle(t *testing.T) {
	for _, name := range w.names {
		if w.nodes[name] == nil {
			w.start(name)
		}
	}
	for i, a := range w.names {
		for _, b := range w.names[i+1:] {
			if w.cut[pair(a, b)] {
				w.setCut(a, b, false)
			}
		}
	}
	time.Sleep(askEvery*6/5 + hold + 2*every)
	synctest.Wait()
	for _, f := range w.followed {
		f.mu.Lock()
		if want := w.truth(f.subject); f.last.Connections != want || !f.last.Complete {
			t.Errorf("%s on %s: in the end told %+v, there are %d", f.subject, f.node, f.last, want)
		}
		f.mu.Unlock()
		f.stop()
	}
	time.Sleep(linger + time.Second)
	synctest.Wait()
	for name, n := range w.nodes {
		n.watchers.mu.Lock()
		if left := len(n.watchers.by) + len(n.watchers.asks); left > 0 {
			t.Errorf("%s still has %d watchers", name, left)
		}
		n.watchers.mu.Unlock()
		n.mu.Lock()
		for s, subs := range n.subs {
			if subs != 0 {
				t.Errorf("%s still has %d subscriptions on %s", name, subs, s)
			}
		}
		n.mu.Unlock()
	}
}
