package natsclients

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"weft/test/stage"
)

func decode(data []byte, into any) error { return json.Unmarshal(data, into) }

// depth is how many values of a key each bucket keeps.
var depth = map[string]int{"blacklist": 1, "routes": 20}

// Every library works on both buckets as its documentation says, for those who may
// use them.
func TestEveryLibraryUsesTheBuckets(t *testing.T) {
	for _, w := range []who{local, asOperator} {
		for _, lib := range Libraries() {
			t.Run(w.name+"/"+lib.Name, func(t *testing.T) {
				t.Parallel()
				n := w.node(t)
				h := w.connect(t, lib, n)
				for bucket := range depth {
					s := &shelf{hand: h, node: n, bucket: bucket}
					if lib.Hasty {
						s.patience = 20 * time.Second
					}
					s.use()
				}
				checkBuckets(h)
			})
		}
	}
}

// So it is where buckets have three copies and a leader elsewhere.
func TestLibrariesUseTheBucketsOfACluster(t *testing.T) {
	libs := Libraries()
	for w, lib := range map[*who]Library{&local: libs[0], &asOperator: libs[3]} {
		t.Run(w.name+"/"+lib.Name, func(t *testing.T) {
			t.Parallel()
			nodes := stage.StartCluster(t, forming(t), w.settings)
			h := w.connect(t, lib, nodes[0])
			for bucket := range depth {
				(&shelf{hand: h, node: nodes[1], bucket: bucket, patience: 20 * time.Second}).use()
			}
			checkBuckets(h)
		})
	}
}

func checkBuckets(h hand) {
	h.t.Helper()
	names := h.do(Request{Op: OpBuckets}).Keys
	slices.Sort(names)
	if want := []string{"blacklist", "routes"}; !slices.Equal(names, want) {
		h.t.Errorf("the buckets are %q, want %q", names, want)
	}
}

// A shelf is an empty bucket that a client uses.
type shelf struct {
	hand
	node   *stage.Node
	bucket string
	// patience is how long a read may show what was before: it may come from a copy.
	patience time.Duration
	revision uint64 // the highest so far
}

// use does all operations and checks what they bring.
func (s *shelf) use() {
	s.t.Helper()
	cut := listen(s.t, s.node, "ann", stage.Claims{"jti": "k1"})
	first := s.wrote("k1", "one", s.do(Request{Op: OpPut, Bucket: s.bucket, Key: "k1", Value: "one"}))
	if s.bucket == "blacklist" {
		awaitCut(s.t, cut)
	}
	s.has("nothing", "")

	second := s.wrote("k2", "two", s.do(Request{Op: OpCreate, Bucket: s.bucket, Key: "k2", Value: "two"}))
	s.refused(Request{Op: OpCreate, Bucket: s.bucket, Key: "k2", Value: "again"})
	third := s.wrote("k1", "uno", s.do(Request{Op: OpUpdate, Bucket: s.bucket, Key: "k1", Value: "uno", Revision: first}))
	s.refused(Request{Op: OpUpdate, Bucket: s.bucket, Key: "k1", Value: "too late", Revision: first})
	s.has("k1", "uno")
	s.had("k1", Entry{"k1", "one", first, "PUT"}, Entry{"k1", "uno", third, "PUT"})
	s.keys("k1", "k2")

	seen := s.do(Request{Op: OpWatch, Bucket: s.bucket, Count: 2}).Entries
	slices.SortFunc(seen, func(a, b Entry) int { return int(a.Revision) - int(b.Revision) })
	s.same("the watch begins with", seen, Entry{"k2", "two", second, "PUT"}, Entry{"k1", "uno", third, "PUT"})
	fourth := s.wrote("k3", "three", s.do(Request{Op: OpPut, Bucket: s.bucket, Key: "k3", Value: "three"}))
	s.next(Entry{"k3", "three", fourth, "PUT"})
	s.do(Request{Op: OpDelete, Bucket: s.bucket, Key: "k2"})
	s.next(Entry{"k2", "", fourth + 1, "DEL"})
	s.has("k2", "")
	s.keys("k1", "k3")
	again := s.wrote("k2", "deux", s.do(Request{Op: OpCreate, Bucket: s.bucket, Key: "k2", Value: "deux"}))
	s.next(Entry{"k2", "deux", again, "PUT"})
	s.had("k2", Entry{"k2", "two", second, "PUT"}, Entry{"k2", "", fourth + 1, "DEL"}, Entry{"k2", "deux", again, "PUT"})
	s.do(Request{Op: OpPurge, Bucket: s.bucket, Key: "k1"})
	purged := Entry{"k1", "", again + 1, "PURGE"}
	s.next(purged)
	s.do(Request{Op: OpUnwatch, Bucket: s.bucket})
	s.has("k1", "")
	s.had("k1", purged)
	s.keys("k2", "k3")

	values := 1 + min(3, depth[s.bucket]) + 1 // of k1, k2, k3
	s.await("the status", func() string {
		a := s.do(Request{Op: OpStatus, Bucket: s.bucket})
		if a.Bucket != s.bucket || a.History != depth[s.bucket] || a.Values != values {
			return fmt.Sprintf("%+v, want the bucket with history %d and %d values", a, depth[s.bucket], values)
		}
		return ""
	})
}

// await asks until there is nothing wrong.
func (s *shelf) await(what string, wrong func() string) {
	s.t.Helper()
	end := time.Now().Add(s.patience)
	for {
		text := wrong()
		if text == "" {
			return
		}
		if !time.Now().Before(end) {
			s.t.Fatalf("%s: %s: %s", s.bucket, what, text)
		}
	}
}

// wrote checks that a key has what was just written, and returns the revision.
func (s *shelf) wrote(key, value string, a Answer) uint64 {
	s.t.Helper()
	now := s.has(key, value)
	if a.Revision != 0 && a.Revision != now || now <= s.revision {
		s.t.Fatalf("%s: %s was written as revision %d, and is read as %d; the last was %d", s.bucket, key, a.Revision, now, s.revision)
	}
	s.revision = now
	return now
}

// has checks the value of a key, "" for none, and returns its revision.
func (s *shelf) has(key, value string) (revision uint64) {
	s.t.Helper()
	s.await("get "+key, func() string {
		got := s.do(Request{Op: OpGet, Bucket: s.bucket, Key: key}).Entries
		switch {
		case value == "" && len(got) == 0:
		case value != "" && len(got) == 1 && got[0].Key == key && got[0].Value == value:
			revision = got[0].Revision
		default:
			return fmt.Sprintf("%+v, want %q", got, value)
		}
		return ""
	})
	return revision
}

// had checks the history of a key, of which the bucket may keep only the end.
func (s *shelf) had(key string, want ...Entry) {
	s.t.Helper()
	want = want[max(0, len(want)-depth[s.bucket]):]
	s.await("history of "+key, func() string {
		return differ(s.do(Request{Op: OpHistory, Bucket: s.bucket, Key: key}).Entries, want)
	})
}

func (s *shelf) keys(want ...string) {
	s.t.Helper()
	s.await("keys", func() string {
		keys := s.do(Request{Op: OpKeys, Bucket: s.bucket}).Keys
		slices.Sort(keys)
		if !slices.Equal(keys, want) {
			return fmt.Sprintf("%q, want %q", keys, want)
		}
		return ""
	})
}

func (s *shelf) next(want Entry) {
	s.t.Helper()
	s.same("the watch tells", s.do(Request{Op: OpNext, Bucket: s.bucket}).Entries, want)
}

func (s *shelf) same(what string, got []Entry, want ...Entry) {
	s.t.Helper()
	if text := differ(got, want); text != "" {
		s.t.Fatalf("%s: %s %s", s.bucket, what, text)
	}
}

// differ compares entries. The nats command does not tell the revision in a watch.
func differ(got, want []Entry) string {
	if slices.EqualFunc(got, want, func(g, w Entry) bool {
		if g.Revision == 0 {
			w.Revision = 0
		}
		return g == w
	}) {
		return ""
	}
	return fmt.Sprintf("%+v, want %+v", got, want)
}
