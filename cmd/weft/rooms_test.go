package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A room is a folder with the packages below it. The packages of a room may import
// the leaves, the rooms named in imports, and of their own room those that stand
// before them in order.
type roomRules struct {
	imports []string
	order   []string // all packages of the room, relative to it; "" is the room itself
}

// allOthers in an order is every package of the room that is in no order. They know
// nothing of one another.
const allOthers = "*"

// rooms are all folders of the module that hold packages. Leaves are in no order:
// they stand before all else.
var rooms = map[string]roomRules{
	"weft/jetstream": {nil, []string{"api", "rpc", "natsconn", "server", "replica", "ingress", "services", "store", "kv", "blacklist", "routes", "presence", "feed", "cluster", ""}},
	"weft/bridge":    {[]string{"weft/jetstream"}, []string{"", "broker", "body", allOthers}},
	"weft/edge": {[]string{"weft/jetstream"}, []string{"parameter", "representation", "openapi", "netpoll", "httpd", "frames", "auth", "auth/check", "access", "wire",
		"session", "transport", "client", "proxy/reply", "proxy/upstream", "proxy/service", "proxy", "admin", ""}},
	"weft/config":         {nil, nil},
	"weft/cmd/weft":       {[]string{"weft/jetstream", "weft/bridge", "weft/edge"}, []string{"client", "settings", "platform", "heaptrim", ""}},
	"weft/config/testkit": {nil, []string{"clientframe", "freeport", "slow", "standstill", "testlog", "waitfor"}}, // for tests alone
	"weft/test": {[]string{"weft/config/testkit"}, []string{"client", "follow", "browser", "stage", "access", "fault", "clientchaos", "load/meter", "load/plot", "load/crowd",
		"load/baseline", "load", "natsclients", "sseclients", "openapi", "npm", "tabs", "engines", "proxies", "conformance", "bench", "deploy", "playground/child", "playground", "kafka", "release", ""}},
}

// leaves are values and pure functions: they import nothing of ours but leaves, and
// every room may import them, whichever they lie in.
var leaves = []string{
	"weft/config", "weft/config/suggestion",
	"weft/jetstream/event", "weft/jetstream/subject", "weft/jetstream/ratelog",
	"weft/bridge/pointer", "weft/bridge/cloudevent",
	"weft/edge/origin", "weft/edge/chain", "weft/edge/problem", "weft/edge/route", "weft/edge/route/pattern", "weft/edge/route/template",
}

// aloneImports names the technologies that belong to some rooms only. The tests and
// the playground stand outside and speak to the binary.
var aloneImports = map[string][]string{
	"github.com/nats-io/nats-server":       {"weft/jetstream"},
	"github.com/nats-io/nats.go/jetstream": {"weft/jetstream"},
	"github.com/IBM/sarama":                {"weft/bridge"},
	"github.com/gorilla/websocket":         {"weft/edge/frames", "weft/cmd/weft/client"},
	"github.com/golang-jwt/jwt":            {"weft/edge"},
	"github.com/goccy/go-yaml":             {"weft/config"},
	"github.com/spf13/cobra":               {"weft/cmd/weft"},
	"github.com/twmb/franz-go":             {},
}

var outside = []string{"weft/test"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// packages lists the packages of the module with what their own files, tests
// apart, import.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "weft/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read list of packages: %v", err)
		}
		all = append(all, p)
	}
}

// below reports whether path is one of the folders or lies in one.
func below(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return path == f || strings.HasPrefix(path, f+"/")
	})
}

// roomOf is the innermost room that a package lies in, "" when it is in none.
func roomOf(path string, rooms map[string]roomRules) string {
	own := ""
	for r := range rooms {
		if below(path, r) && len(r) > len(own) {
			own = r
		}
	}
	return own
}

// checkImports says which packages import what they must not.
func checkImports(all []goPackage, rooms map[string]roomRules, leaves []string) []complaint {
	var found []complaint
	for _, p := range all {
		for _, i := range p.Imports {
			if below(i, "weft") && !slices.Contains(leaves, i) {
				if why := forbidden(p.ImportPath, i, rooms, leaves); why != "" {
					found = append(found, complaint{p.ImportPath, "imports " + i + ": " + why})
				}
			}
		}
	}
	return found
}

// forbidden says why a package may not import another one that is no leaf, "" when it
// may.
func forbidden(from, to string, rooms map[string]roomRules, leaves []string) string {
	own := roomOf(from, rooms)
	switch {
	case slices.Contains(leaves, from):
		return "a leaf imports only leaves"
	case below(to, rooms[own].imports...):
		return ""
	case !below(to, own):
		return "that is in another room"
	}
	switch a, b := standing(from, own, rooms), standing(to, own, rooms); {
	case a < b:
		return "that stands behind it in their room"
	case a == b:
		return "that stands beside it in their room"
	}
	return ""
}

// standing is the place of a package in the order of its room, -1 when it has none.
func standing(path, own string, rooms map[string]roomRules) int {
	order := rooms[own].order
	if i := slices.Index(order, within(path, own)); i >= 0 {
		return i
	}
	return slices.Index(order, allOthers)
}

// within is the path of a package in its room, "" of the room itself.
func within(path, room string) string { return strings.TrimPrefix(strings.TrimPrefix(path, room), "/") }

// checkPlaces says which packages have no place in the tables.
func checkPlaces(all []goPackage, rooms map[string]roomRules, leaves []string) []complaint {
	var found []complaint
	for _, p := range all {
		own := roomOf(p.ImportPath, rooms)
		isLeaf, inOrder := slices.Contains(leaves, p.ImportPath), slices.Contains(rooms[own].order, within(p.ImportPath, own))
		placed := isLeaf || standing(p.ImportPath, own, rooms) >= 0
		switch {
		case own == "":
			found = append(found, complaint{p.ImportPath, "is in no room"})
		case !placed:
			found = append(found, complaint{p.ImportPath, "is neither a leaf nor in the order of its room"})
		case isLeaf && inOrder:
			found = append(found, complaint{p.ImportPath, "is a leaf and in the order of its room"})
		}
	}
	return found
}

// checkEmpty says which places of the tables no package has.
func checkEmpty(all []goPackage, rooms map[string]roomRules, leaves []string) []complaint {
	places := slices.Clone(leaves)
	for room, rules := range rooms {
		for _, name := range rules.order {
			if name == allOthers {
				continue
			}
			places = append(places, strings.TrimSuffix(room+"/"+name, "/"))
		}
	}
	slices.Sort(places)
	var found []complaint
	for _, place := range places {
		if !slices.ContainsFunc(all, func(p goPackage) bool { return p.ImportPath == place }) {
			found = append(found, complaint{place, "has a place and is no package"})
		}
	}
	return found
}

// checkCircles says which rooms import each other, leaves apart, be it through
// others.
func checkCircles(all []goPackage, rooms map[string]roomRules, leaves []string) []complaint {
	next := map[string][]string{}
	for _, p := range all {
		from := roomOf(p.ImportPath, rooms)
		for _, i := range p.Imports {
			to := roomOf(i, rooms)
			if to != "" && to != from && !slices.Contains(leaves, i) && !slices.Contains(leaves, p.ImportPath) && !slices.Contains(next[from], to) {
				next[from] = append(next[from], to)
			}
		}
	}
	for room, rules := range rooms { // what may be counts, too
		next[room] = append(next[room], rules.imports...)
	}
	var found []complaint
	for room := range rooms {
		if path := pathBack(room, room, next, nil); path != nil {
			found = append(found, complaint{room, "is in a circle: " + strings.Join(path, ", ")})
		}
	}
	slices.SortFunc(found, func(a, b complaint) int { return strings.Compare(a.about, b.about) })
	return found
}

// pathBack is a way from one room on to another one, nil when there is none.
func pathBack(from, to string, next map[string][]string, seen []string) []string {
	for _, n := range next[from] {
		if n == to {
			return append(seen, to)
		}
		if slices.Contains(seen, n) {
			continue
		}
		if path := pathBack(n, to, next, append(slices.Clip(seen), n)); path != nil {
			return path
		}
	}
	return nil
}

// checkTechnologies says which packages import what belongs to other rooms.
func checkTechnologies(all []goPackage, alone map[string][]string, outside []string) []complaint {
	var found []complaint
	for _, p := range all {
		if below(p.ImportPath, outside...) {
			continue
		}
		for _, i := range p.Imports {
			for technology, rooms := range alone {
				if below(i, technology) && !below(p.ImportPath, rooms...) {
					found = append(found, complaint{p.ImportPath, "imports " + i})
				}
			}
		}
	}
	return found
}

func complain(t *testing.T, found []complaint) {
	t.Helper()
	for _, c := range found {
		t.Error(c)
	}
}

func TestImportsRunOneWay(t *testing.T) {
	all := packages(t)
	complain(t, checkImports(all, rooms, leaves))
	complain(t, checkCircles(all, rooms, leaves))
	complain(t, checkPlaces(all, rooms, leaves))
	complain(t, checkEmpty(all, rooms, leaves))
}

func TestATechnologyIsKnownInItsRoomAlone(t *testing.T) {
	complain(t, checkTechnologies(packages(t), aloneImports, outside))
}

// A house of two rooms and a leaf, for what follows.
var (
	smallRooms = map[string]roomRules{
		"weft/low":  {nil, []string{"base", "mid", ""}},
		"weft/high": {[]string{"weft/low"}, []string{"", allOthers}},
	}
	smallLeaves = []string{"weft/high/leaf", "weft/low/grain"}
)

func smallHouse(imports map[string][]string) []goPackage {
	var all []goPackage
	for _, path := range []string{"weft/low/base", "weft/low/mid", "weft/low", "weft/high", "weft/high/new", "weft/high/leaf", "weft/low/grain"} {
		all = append(all, goPackage{path, append([]string{"fmt"}, imports[path]...)})
	}
	return all
}

func TestHouseComplainsAboutImports(t *testing.T) {
	for name, tc := range map[string]struct {
		imports map[string][]string
		want    string // "" for no complaint
	}{
		"down, a leaf and in order": {map[string][]string{
			"weft/high": {"weft/low", "weft/low/mid"}, "weft/low": {"weft/low/mid", "weft/low/base"},
			"weft/low/base": {"weft/high/leaf"}, "weft/high/leaf": {"weft/low/grain"},
		}, ""},
		"up":               {map[string][]string{"weft/low": {"weft/high"}}, "weft/low imports weft/high: that is in another room"},
		"against order":    {map[string][]string{"weft/low/base": {"weft/low/mid"}}, "weft/low/base imports weft/low/mid: that stands behind it in their room"},
		"the room itself":  {map[string][]string{"weft/low/mid": {"weft/low"}}, "weft/low/mid imports weft/low: that stands behind it in their room"},
		"an other one":     {map[string][]string{"weft/high/new": {"weft/high", "weft/low/mid"}}, ""},
		"of others":        {map[string][]string{"weft/high": {"weft/high/new"}}, "weft/high imports weft/high/new: that stands behind it in their room"},
		"beside":           {map[string][]string{"weft/high/new": {"weft/high/newer"}}, "weft/high/new imports weft/high/newer: that stands beside it in their room"},
		"a leaf that does": {map[string][]string{"weft/high/leaf": {"weft/low"}}, "weft/high/leaf imports weft/low: a leaf imports only leaves"},
		"a leaf, its room": {map[string][]string{"weft/low/grain": {"weft/low/base"}}, "weft/low/grain imports weft/low/base: a leaf imports only leaves"},
	} {
		expect(t, name, checkImports(smallHouse(tc.imports), smallRooms, smallLeaves), tc.want)
	}
}

func TestHouseComplainsAboutCircles(t *testing.T) {
	there := map[string][]string{"weft/high": {"weft/low"}, "weft/low": {"weft/high/leaf"}}
	expect(t, "none", checkCircles(smallHouse(there), smallRooms, smallLeaves), "")
	there["weft/low/base"] = []string{"weft/high"}
	expect(t, "in imports", checkCircles(smallHouse(there), smallRooms, smallLeaves),
		"weft/high is in a circle: weft/low, weft/high", "weft/low is in a circle: weft/high, weft/low")
	round := map[string]roomRules{"weft/a": {[]string{"weft/b"}, nil}, "weft/b": {[]string{"weft/c"}, nil}, "weft/c": {[]string{"weft/a"}, nil}, "weft/d": {[]string{"weft/a"}, nil}}
	expect(t, "in the table", checkCircles(nil, round, nil), "weft/a is in a circle: weft/b, weft/c, weft/a",
		"weft/b is in a circle: weft/c, weft/a, weft/b", "weft/c is in a circle: weft/a, weft/b, weft/c")
}

func TestHouseComplainsAboutPlaces(t *testing.T) {
	all := smallHouse(nil)
	expect(t, "all in place", checkPlaces(all, smallRooms, smallLeaves), "")
	expect(t, "no room", checkPlaces(append(all, goPackage{ImportPath: "weft/attic"}), smallRooms, smallLeaves), "weft/attic is in no room")
	expect(t, "no order", checkPlaces(append(all, goPackage{ImportPath: "weft/low/new"}), smallRooms, smallLeaves),
		"weft/low/new is neither a leaf nor in the order of its room")
	expect(t, "two places", checkPlaces(all, smallRooms, append([]string{"weft/low/mid"}, smallLeaves...)),
		"weft/low/mid is a leaf and in the order of its room")
	expect(t, "all there", checkEmpty(all, smallRooms, smallLeaves), "")
	expect(t, "no package", checkEmpty(all[1:], smallRooms, smallLeaves), "weft/low/base has a place and is no package")
}

func TestRoomsMayLieInOneAnother(t *testing.T) {
	nested := map[string]roomRules{"weft/low": {}, "weft/low/deep": {}, "weft/lower": {}}
	for path, want := range map[string]string{
		"weft/low/deep/end": "weft/low/deep", "weft/low/deeper": "weft/low", "weft/lower": "weft/lower", "weft": "",
	} {
		for range 20 { // the order of a map is another one each time
			if got := roomOf(path, nested); got != want {
				t.Fatalf("%s is in %q, want %q", path, got, want)
			}
		}
	}
}

func TestHouseComplainsAboutTechnologies(t *testing.T) {
	alone := map[string][]string{"x.org/sql": {"weft/low"}, "x.org/gone": {}}
	expect(t, "at home", checkTechnologies(smallHouse(map[string][]string{"weft/low/mid": {"x.org/sql/driver"}}), alone, nil), "")
	expect(t, "outside", checkTechnologies(smallHouse(map[string][]string{"weft/high": {"x.org/sql"}}), alone, []string{"weft/high"}), "")
	expect(t, "abroad", checkTechnologies(smallHouse(map[string][]string{"weft/high": {"x.org/sql"}}), alone, nil), "weft/high imports x.org/sql")
	expect(t, "nowhere", checkTechnologies(smallHouse(map[string][]string{"weft/low": {"x.org/gone"}}), alone, nil), "weft/low imports x.org/gone")
}

// expect fails unless these are the complaints; "" is none.
func expect(t *testing.T, name string, found []complaint, want ...string) {
	t.Helper()
	var got []string
	for _, c := range found {
		got = append(got, c.String())
	}
	if slices.Equal(want, []string{""}) {
		want = nil
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", name, got, want)
	}
}
