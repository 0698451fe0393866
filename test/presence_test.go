package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/standstill"
	"weft/test/client"
	"weft/test/stage"
)

// followers follow the presence of users from several nodes. A connection may ask for 256
// subjects, so there are several to each node.
type followers struct {
	t    *testing.T
	list [][]*client.Recorder // for each node
}

func followPresence(t *testing.T, nodes []*stage.Node, users []string) followers {
	t.Helper()
	f := followers{t, make([][]*client.Recorder, len(nodes))}
	for i, n := range nodes {
		for from := 0; from < len(users); from += 250 {
			query := url.Values{}
			for _, u := range users[from:min(from+250, len(users))] {
				query.Add("subject", "presence."+u)
			}
			kind := []client.Transport{client.SSE, client.WebSocket}[(i+from/250)%2]
			f.list[i] = append(f.list[i], record(t, kind, client.Target{URL: n.URL(), Token: stage.Token(t, "eve", nil), Query: query}))
		}
	}
	return f
}

// told is what the followers on each node were told of each user.
func (f followers) told() (all []map[string][]client.Presence) {
	f.t.Helper()
	for _, list := range f.list {
		of := map[string][]client.Presence{}
		for _, r := range list {
			some, err := client.Presences(r.All())
			if err != nil {
				f.t.Fatal(err)
			}
			for user, states := range some {
				of[user] = append(of[user], states...)
			}
		}
		all = append(all, of)
	}
	return all
}

// await waits until the followers on all nodes know how many connections each of the
// users has.
func (f followers) await(limit time.Duration, want map[string]int) {
	f.t.Helper()
	eventually(f.t, limit, fmt.Sprintf("the followers know the connections of %d users", len(want)), func() bool {
		for _, of := range f.told() {
			for user, n := range want {
				if states := of[user]; len(states) == 0 || states[len(states)-1].Connections != n {
					return false
				}
			}
		}
		return true
	})
}

// A page is what a user has open.
type page struct {
	user string
	*client.Recorder
}

// openPages opens a page for each user at the node that of names.
func openPages(t *testing.T, users []string, of func(i int) *stage.Node) []page {
	t.Helper()
	pages := make([]page, len(users))
	room := make(chan struct{}, 32)
	var opening sync.WaitGroup
	for i, user := range users {
		token := stage.Token(t, user, nil)
		opening.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			r, err := client.Record(context.Background(), client.SSE, client.Target{URL: of(i).URL(), Token: token})
			if err == nil {
				_, err = r.AwaitType(within(t, time.Minute), client.TypeOpen)
			}
			if err != nil {
				t.Errorf("open a page of %s: %v", user, err)
				return
			}
			pages[i] = page{user, r}
		})
	}
	opening.Wait()
	t.Cleanup(func() {
		for _, p := range pages {
			if p.Recorder != nil {
				p.Close()
			}
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return pages
}

func TestPresenceOfUsersOnThreeNodes(t *testing.T) {
	nodes := stage.StartCluster(t, within(t, 2*time.Minute), map[string]any{"auth.allow": []any{"presence.*", "presence.topic.>", "topic.>"}})
	t.Run("all nodes live", func(t *testing.T) {
		t.Run("a hundred reloads", func(t *testing.T) { t.Parallel(); reloadPages(t, nodes) })
		t.Run("a topic that is looked at", func(t *testing.T) { t.Parallel(); lookAtTopic(t, nodes) })
	})
	t.Run("a node that is killed", func(t *testing.T) { killNodeOfUsers(t, nodes) })
}

// Pages that are loaded again, through whichever node, do not seem to go.
func reloadPages(t *testing.T, nodes []*stage.Node) {
	const each = 5
	var users []string
	for i := range 20 {
		users = append(users, fmt.Sprint("reloader", i))
	}
	pages := openPages(t, append(users, "lighthouse"), func(i int) *stage.Node { return nodes[i%len(nodes)] })
	f := followPresence(t, nodes, append(users, "lighthouse"))
	want := map[string]int{"lighthouse": 1}
	for _, u := range users {
		want[u] = 1
	}
	f.await(time.Minute, want)
	late := make([]bool, len(users)) // the machine took so long that going was right
	var reloading sync.WaitGroup
	for i, user := range users {
		token := stage.Token(t, user, nil)
		reloading.Go(func() {
			for n := range each {
				gone := time.Now()
				pages[i].Close()
				time.Sleep(rand.N(3 * time.Second)) // as long as the browser takes
				r, err := client.Record(context.Background(), client.SSE, client.Target{URL: nodes[(i+n+1)%len(nodes)].URL(), Token: token})
				if err == nil {
					_, err = r.AwaitType(within(t, time.Minute), client.TypeOpen)
				}
				if err != nil {
					t.Errorf("load a page of %s again: %v", user, err)
					return
				}
				pages[i].Recorder = r
				late[i] = late[i] || time.Since(gone) > 4*time.Second
			}
		})
	}
	reloading.Wait()
	// When it is known of the last one that it is gone, it would be of the others.
	pages[len(users)].Close()
	f.await(time.Minute, map[string]int{"lighthouse": 0})
	for _, of := range f.told() {
		for i, user := range users {
			if states := of[user]; len(states) != 1 && !late[i] {
				t.Errorf("%s has loaded a page %d times, and a follower was told %v", user, each, states)
			}
		}
	}
}

// Everybody who looks at a topic sees within a second how many do, on all nodes.
func lookAtTopic(t *testing.T, nodes []*stage.Node) {
	still := standstill.Begin(t)
	look := func(n *stage.Node) *client.Recorder {
		return record(t, client.SSE, client.Target{URL: n.URL(), Token: stage.Token(t, "visitor", nil),
			Query: url.Values{"subject": {"topic.hotel.42", "presence.topic.hotel.42"}}})
	}
	var visitors []*client.Recorder
	for i := range 6 {
		begun, lost := time.Now(), still.Lost()
		visitors = append(visitors, look(nodes[i%len(nodes)]))
		for _, v := range visitors {
			if err := v.Await(within(t, time.Minute), func(all []client.Event) bool {
				told, err := client.Presences(all)
				states := told["hotel.42"]
				return err == nil && len(states) > 0 && states[len(states)-1].Connections == len(visitors)
			}); err != nil {
				t.Fatalf("visitor %d is there: %v", i+1, err)
			}
		}
		// The second, and that of the visitor before, who may just have been told.
		if took := time.Since(begun) - (still.Lost() - lost); took > 1500*time.Millisecond {
			t.Errorf("all know of visitor %d after %v", i+1, took)
		}
	}
}

// The users of a node that is killed are gone within six seconds, and nobody else is.
func killNodeOfUsers(t *testing.T, nodes []*stage.Node) {
	const count = 1000
	var users []string
	for i := range count {
		users = append(users, fmt.Sprint("user", i))
	}
	home := func(i int) *stage.Node { return nodes[i%len(nodes)] }
	openPages(t, users, home)
	// Every tenth has another page open, on another node.
	var both []string
	for i := 0; i < count; i += 10 {
		both = append(both, users[i])
	}
	openPages(t, both, func(k int) *stage.Node { return home(10*k + 1) })
	want, after := map[string]int{}, map[string]int{}
	for i, u := range users {
		on := []int{i % len(nodes)}
		if i%10 == 0 {
			on = append(on, (i+1)%len(nodes))
		}
		for _, n := range on {
			want[u]++
			if after[u] += 1; n == 2 {
				after[u]--
			}
		}
	}
	f := followPresence(t, nodes[:2], users)
	f.await(time.Minute, want)
	before := f.told()

	begun, still := time.Now(), standstill.Begin(t)
	nodes[2].Kill()
	f.await(time.Minute, after)
	took := time.Since(begun)
	if t.Logf("all is known of a node that was killed after %v", took); took > 6*time.Second+still.Lost() {
		t.Errorf("it took %v until all was known, want less than 6 s", took)
	}
	// What else is told is told before this is.
	openPages(t, users[:1], func(int) *stage.Node { return nodes[0] })
	f.await(time.Minute, map[string]int{users[0]: after[users[0]] + 1})

	for node, of := range f.told() {
		wrong := 0
		for _, u := range users[1:] {
			states := of[u]
			n := 0
			if want[u] != after[u] {
				n = 1
			}
			// Each frame counts, and none says that there may be others: nobody is there who has any.
			if len(states) != 1+n || strings.Contains(fmt.Sprint(states), "?") {
				if wrong++; wrong < 10 {
					t.Errorf("followers on n%d of %s, whose connections were %d and are %d, were told %v", node+1, u, want[u], after[u], states)
				}
			}
		}
		if len(before[node]) != count {
			t.Errorf("followers were told of %d users", len(before[node]))
		}
	}
	if strings.Contains(fmt.Sprint(before), "?") {
		t.Error("it was not complete before")
	}
}
