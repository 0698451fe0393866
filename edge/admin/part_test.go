package admin

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// scatter makes up to n users, of whom every node has some.
func scatter(n, nodes int, rnd *rand.Rand) (all map[string]int, held [][]userEntry) {
	all, held = map[string]int{}, make([][]userEntry, nodes)
	for range n {
		user := fmt.Sprintf("u%03d", rnd.IntN(n))
		at := rnd.IntN(nodes)
		if slices.ContainsFunc(held[at], func(e userEntry) bool { return e.User == user }) {
			continue
		}
		count := 1 + rnd.IntN(3)
		all[user] += count
		held[at] = append(held[at], userEntry{user, count})
	}
	for _, h := range held {
		slices.SortFunc(h, byUser)
	}
	return all, held
}

// Whatever the nodes hold and however little of it each tells at once, the pages
// together are every user once, in order, with all connections.
func TestThePagesOfAllNodesAreEveryUserOnce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		all, held := scatter(1+rnd.IntN(60), 1+rnd.IntN(4), rnd)
		limit, after, got, last := 1+rnd.IntN(9), "", map[string]int{}, ""
		for range 200 {
			var parts []userPart
			for _, h := range held {
				i, _ := slices.BinarySearchFunc(h, after, func(e userEntry, a string) int {
					if e.User <= a {
						return -1
					}
					return 1
				})
				parts = append(parts, partOf(h[i:], 1+rnd.IntN(limit))) // some tell less than was asked for
			}
			p := merge(parts, "", limit)
			if len(p.Items) > limit {
				t.Fatalf("%d entries on a page of %d", len(p.Items), limit)
			}
			for _, e := range p.Items {
				if e.User <= last && last != "" {
					t.Fatalf("%s after %s", e.User, last)
				}
				last = e.User
				got[e.User] = e.Connections
			}
			if p.Next == "" {
				break
			}
			after = p.Next
		}
		if fmt.Sprint(got) != fmt.Sprint(all) {
			t.Fatalf("pages have %v, nodes have %v", got, all)
		}
	}
}

// A node of a version that knows no prefixes tells of all users from where it is asked.
func TestThePagesOfAPrefixAreItsUsersOnceWhateverTheNodesKnow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		all, held := scatter(1+rnd.IntN(90), 1+rnd.IntN(4), rnd)
		prefix := fmt.Sprintf("u%03d", rnd.IntN(100))[:1+rnd.IntN(4)]
		want := map[string]int{}
		for user, n := range all {
			if strings.HasPrefix(user, prefix) {
				want[user] = n
			}
		}
		limit, after, got := 1+rnd.IntN(9), "", map[string]int{}
		for page := range 200 {
			var parts []userPart
			for i, h := range held {
				var of []userEntry
				for _, e := range h {
					if e.User > startOf(prefix, after) && (i == 0 || strings.HasPrefix(e.User, prefix)) {
						of = append(of, e)
					}
				}
				parts = append(parts, partOf(of, 1+rnd.IntN(limit)))
			}
			p := merge(parts, prefix, limit)
			for _, e := range p.Items {
				if _, twice := got[e.User]; twice || len(p.Items) > limit {
					t.Fatalf("%s: page %d has %v", prefix, page, p.Items)
				}
				got[e.User] = e.Connections
			}
			if p.Next == "" {
				break
			}
			if p.Next <= after {
				t.Fatalf("%s: the page after %q is the one after %q", prefix, after, p.Next)
			}
			after = p.Next
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s: pages have %v, nodes have %v", prefix, got, want)
		}
	}
}

func TestAUserWhoHasGoneMeanwhileIsNotListedAndEndsNoPage(t *testing.T) {
	parts := []userPart{{Items: []userEntry{{"ann", 0}, {"bob", 0}}, More: true}, {Items: []userEntry{{"ann", 2}, {"bob", 0}, {"eve", 1}}}}
	if p := merge(parts, "", 2); !slices.Equal(p.Items, []userEntry{{"ann", 2}}) || p.Next != "bob" {
		t.Errorf("%+v", p)
	}
}

func TestAPartFitsIntoAnAnswer(t *testing.T) {
	items := make([]userEntry, maxLimit)
	for i := range items {
		items[i] = userEntry{fmt.Sprintf("%04d", i) + strings.Repeat("\x01", 196), 1}
	}
	p := partOf(items, maxLimit)
	if size := len(p.Items) * (6*200 + entryBytes); !p.More || len(p.Items) == 0 || size > partBytes {
		t.Errorf("%d entries of %d bytes, more %v", len(p.Items), size, p.More)
	}
	if p := partOf(items[:3], 3); p.More || len(p.Items) != 3 {
		t.Errorf("all that there is: %d entries, more %v", len(p.Items), p.More)
	}
}
