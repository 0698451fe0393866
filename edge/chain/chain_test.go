package chain_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"weft/edge/chain"
)

type record struct {
	key   string
	links chain.Links[record]
}

func linksOf(r *record) *chain.Links[record] { return &r.links }

func TestTheListsOfKeysHoldWhatWasPutInAndNotTakenOut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	heads, want := map[string]*record{}, map[string][]*record{}
	for range 20_000 {
		key := string(rune('a' + random.IntN(5)))
		if list := want[key]; len(list) > 0 && random.IntN(2) == 0 {
			i := random.IntN(len(list))
			chain.DropFrom(heads, key, list[i], linksOf)
			if list[i].links != (chain.Links[record]{}) {
				t.Fatal("a record that was taken out has neighbours")
			}
			want[key] = slices.Delete(list, i, i+1)
		} else {
			r := &record{key: key}
			chain.PushTo(heads, key, r, linksOf)
			want[key] = slices.Insert(list, 0, r)
		}
		if got := chain.Of(heads[key], linksOf); !slices.Equal(got, want[key]) {
			t.Fatalf("list of %s has %d records in another order, want %d", key, len(got), len(want[key]))
		}
		if _, there := heads[key]; there != (len(want[key]) > 0) {
			t.Fatalf("the empty list of %s is there: %v", key, there)
		}
	}
}

func TestToBeInAListAllocatesNothing(t *testing.T) {
	heads := map[string]*record{}
	first, second := &record{}, &record{}
	chain.PushTo(heads, "a", first, linksOf)
	if n := testing.AllocsPerRun(100, func() {
		chain.PushTo(heads, "a", second, linksOf)
		chain.DropFrom(heads, "a", second, linksOf)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
