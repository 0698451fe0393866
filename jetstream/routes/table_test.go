package routes

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"weft/edge/route"
	"weft/jetstream/kv"
)

// A log is what was put, one line each: name, a space, and a pattern; "!" is a bad
// document, "-" a deletion, "--" a purge.
func bucketOf(lines ...string) map[string][]*Version {
	bucket := map[string][]*Version{}
	for i, line := range lines {
		name, what, _ := strings.Cut(line, " ")
		c := &kv.Change{Entry: kv.Entry{Key: name}, Seq: uint64(i + 1)}
		switch what {
		case "-", "--":
			c.Gone, c.Rollup = true, what == "--"
		case "!":
			c.Value = []byte("{")
		default:
			c.Value = document(what)
		}
		bucket[name], _ = folder{}.Fold(bucket[name], c)
	}
	return bucket
}

func document(pattern string) []byte {
	return fmt.Appendf(nil, `{"pattern":%q,"target":"http://127.0.0.1:1","auth":{"mode":"none"}}`, pattern)
}

func serving(t *Table) string {
	var served []string
	for name, r := range t.Routes {
		served = append(served, fmt.Sprintf("%s@%d", name, r.Revision))
	}
	slices.Sort(served)
	return strings.Join(served, " ")
}

func repeat(n int, line string) []string { return slices.Repeat([]string{line}, n) }

func TestTheTableIsWhatTheRevisionsMakeInTheirOrder(t *testing.T) {
	for name, c := range map[string]struct {
		log  []string
		want string
		bad  int
	}{
		"nothing":                                  {nil, "", 0},
		"one":                                      {[]string{"a /a"}, "a@1", 0},
		"the newest":                               {[]string{"a /a", "a /b"}, "a@2", 0},
		"a bad one does not replace":               {[]string{"a /a", "a !"}, "a@1", 1},
		"a good one after bad ones":                {[]string{"a /a", "a !", "a /c"}, "a@3", 0},
		"never good":                               {[]string{"a !"}, "", 1},
		"deleted":                                  {[]string{"a /a", "a -"}, "", 0},
		"purged":                                   {[]string{"a /a", "a --"}, "", 0},
		"bad after a deletion":                     {[]string{"a /a", "a -", "a !"}, "", 1},
		"who was first":                            {[]string{"b /a", "a /a"}, "b@1", 1},
		"who was first, by another name":           {[]string{"a /{x}", "b /{y}"}, "a@1", 1},
		"a later deletion helps only later puts":   {[]string{"a /a", "b /a", "a -"}, "", 1},
		"later puts":                               {[]string{"a /a", "b /a", "a -", "b /a"}, "b@4", 0},
		"a pattern given up":                       {[]string{"a /a", "a /b", "b /a"}, "a@2 b@3", 0},
		"a pattern given up too late":              {[]string{"a /a", "b /a", "a /b"}, "a@3", 1},
		"a taken pattern does not replace":         {[]string{"a /a", "b /b", "b /a"}, "a@1 b@2", 1},
		"its own pattern again":                    {[]string{"a /a", "a /a"}, "a@2", 0},
		"a key that is no name":                    {[]string{"a.b /a", "c /a"}, "c@2", 1},
		"19 bad ones":                              {append([]string{"a /a"}, repeat(19, "a !")...), "a@1", 1},
		"20 bad ones end it":                       {append([]string{"a /a"}, repeat(20, "a !")...), "", 1},
		"the first while it has 19 newer versions": {append([]string{"a /p", "b /p"}, repeat(19, "a /p")...), "a@21", 1},
		"and no longer than that":                  {append([]string{"a /p", "b /p"}, repeat(20, "a /p")...), "b@2", 1},
		"a purge takes the history":                {[]string{"a /p", "b /p", "a --", "b /p", "a /q"}, "a@5 b@4", 0},
	} {
		table := newMaking(bucketOf(c.log...)).table()
		if got := serving(table); got != c.want || table.Bad != c.bad {
			t.Errorf("%s: %q serves, and %d are bad; want %q, %d", name, got, table.Bad, c.want, c.bad)
		}
		if table.Revision != uint64(len(c.log)) {
			t.Errorf("%s: revision %d", name, table.Revision)
		}
	}
}

// What a node has seen grow and what one that starts reads is the same at each revision,
// and a route stays the same value while it serves.
func TestEveryNodeHasTheSameTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var lines []string
	grown := map[string][]*Version{}
	before := map[string]*route.Route{}
	for seq := range 3000 {
		what := []string{"/p", "/q", "/r", "/s/{x}", "!", "-", "--"}[min(rnd.IntN(14), 6)]
		if rnd.IntN(2) == 0 {
			what = "/p"
		}
		lines = append(lines, fmt.Sprintf("n%d %s", rnd.IntN(5), what))
		c := &kv.Change{Entry: kv.Entry{Key: lines[seq][:2]}, Seq: uint64(seq + 1), Gone: what[0] == '-', Rollup: what == "--"}
		if what == "!" {
			c.Value = []byte("{")
		} else if !c.Gone {
			c.Value = document(what)
		}
		grown[c.Key], _ = folder{}.Fold(grown[c.Key], c)
		table := newMaking(grown).table()
		if seq%10 == 0 {
			fresh := newMaking(bucketOf(lines...)).table()
			if serving(fresh) != serving(table) || fresh.Revision != table.Revision || fresh.Bad != table.Bad {
				t.Fatalf("after %v: %q, and read again %q", lines[max(0, seq-30):], serving(table), serving(fresh))
			}
			if !reflect.DeepEqual(problems(fresh), problems(table)) {
				t.Fatalf("%v, and read again %v", problems(table), problems(fresh))
			}
		}
		for name, r := range table.Routes {
			if was := before[name]; was != nil && was.Revision == r.Revision && was != r {
				t.Fatalf("revision %d of %s was made anew", r.Revision, name)
			}
		}
		before = table.Routes
	}
}

func problems(t *Table) map[string]string {
	m := map[string]string{}
	for _, i := range t.List("", 100) {
		m[i.Name] = fmt.Sprint(i.State(), i.Revision, i.Serving)
		if i.Problem != nil {
			m[i.Name] += i.Problem.Error()
		}
	}
	return m
}

func TestNoMoreThanTenThousandRoutesServe(t *testing.T) {
	var lines []string
	for i := range Most + 2 {
		lines = append(lines, fmt.Sprintf("n%d /p%d", i, i))
	}
	lines = append(lines, "n0 /other", "n1 -", fmt.Sprintf("n%d /last", Most+1))
	table := newMaking(bucketOf(lines...)).table()
	if len(table.Routes) != Most || table.Bad != 1 || table.Routes[fmt.Sprintf("n%d", Most+1)] == nil || table.Routes["n0"].Revision != Most+3 {
		t.Errorf("%d routes, %d bad", len(table.Routes), table.Bad)
	}
	var bad Item
	for _, i := range table.List("", Most+10) {
		if i.State() == Bad {
			bad = i
		}
	}
	if bad.Name != fmt.Sprintf("n%d", Most) || !strings.Contains(bad.Problem.Detail, "10000 routes") {
		t.Errorf("%s: %v", bad.Name, bad.Problem)
	}
}

func TestABadRouteIsLoggedOncePerRevisionAndLoudBeforeItEnds(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	grown := map[string][]*Version{}
	step := func(seq int, document []byte) string {
		out.Reset()
		grown["a"], _ = folder{}.Fold(grown["a"], &kv.Change{Entry: kv.Entry{Key: "a", Value: document}, Seq: uint64(seq)})
		newMaking(grown).report(log, seq == 1)
		newMaking(grown).report(log, false)
		return out.String()
	}
	if got := step(1, document("/a")); got != "" {
		t.Error(got)
	}
	for i := range 20 {
		got := step(i+2, []byte("{"))
		level := "level=WARN"
		if i+1 >= 15 {
			level = "level=ERROR"
		}
		if !strings.Contains(got, level+` msg="route is bad" route=a revision=`+fmt.Sprint(i+2)+` field="" err=`) || strings.Count(got, "\n") != 1 {
			t.Errorf("bad put %d: %s", i+1, got)
		}
		if ends := strings.Contains(got, "the good version leaves the history"); ends != (i+1 >= 15 && i+1 < 20) {
			t.Errorf("bad put %d: %s", i+1, got)
		}
	}
	// Who starts says what is bad now, and not what was.
	out.Reset()
	newMaking(bucketOf("a /a", "a !", "a !", "b !", "b /b")).report(log, true)
	if strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), "route=a revision=3") {
		t.Error(out.String())
	}
}

// Of what does not serve only the text is kept.
func TestARouteThatDoesNotServeIsDropped(t *testing.T) {
	bucket := bucketOf("a /a", "a /b", "b /b")
	newMaking(bucket).table()
	if bucket["a"][0].route != nil || bucket["a"][1].route == nil || bucket["b"][0].route != nil {
		t.Error("a route is kept that nobody needs")
	}
	// It is made again when the one before leaves the history.
	if got := serving(newMaking(map[string][]*Version{"b": bucket["b"], "a": bucket["a"][:1]}).table()); got != "a@1 b@3" {
		t.Error(got)
	}
}

func BenchmarkTable(b *testing.B) {
	var lines []string
	for i := range Most {
		lines = append(lines, fmt.Sprintf("orders-%d GET /api/v1/tenant%d/orders/{id}", i, i))
	}
	for _, versions := range []int{1, 5} {
		log := slices.Repeat(lines, versions)
		b.Run(fmt.Sprintf("from the bucket, %d versions each", versions), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				bucket := bucketOf(log...)
				b.StartTimer()
				newMaking(bucket).table()
			}
		})
		b.Run(fmt.Sprintf("after a change, %d versions each", versions), func(b *testing.B) {
			bucket := bucketOf(log...)
			newMaking(bucket).table()
			for b.Loop() {
				newMaking(bucket).table()
			}
		})
	}
}
