package main

import (
	"cmp"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
	"weft/bridge/ingest"
	"weft/bridge/kafka"
	"weft/bridge/target"
	"weft/cmd/weft/settings"
	"weft/edge"
	"weft/edge/auth"
	"weft/edge/proxy/reply"
	"weft/jetstream"
	"weft/jetstream/feed"
)

// registry is that of a node with all its parts. None is opened.
func registry(t *testing.T) *prometheus.Registry {
	t.Helper()
	c := settings.Default()
	c.Auth.Issuers = []auth.Issuer{{JWKS: "https://id.example.com/keys"}}
	c.Kafka.Brokers = []string{"localhost:9092"}
	c.Kafka.Sources = []bridge.Source{{Topic: "orders", To: []string{"user.{key}"}, DeadLetter: "orders.dead"}}
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	node := jetstream.New(c.JetStream(), log, reg)
	hub := feed.New(feed.Params{Store: node.Store(), Presence: node.Presence(), OpenCopies: feed.Live(node.OpenLive), Relinked: node.Cluster().Links().Relinked,
		Clustered: node.Clustered(), Token: node.Token()}, log, reg)
	entrance := ingest.New(c.Ingest, nil, node.Store(), reg)
	if _, err := kafka.New(kafka.Options{Kafka: c.Kafka, MaxAge: c.Events.MaxAge}, kafka.StoreOf(node.Store(), node.Cluster().Links().Majority), log, reg); err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.New(c.Auth, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	waiting := reply.New(reg)
	if _, err := target.New(c.Kafka, waiting, log, reg); err != nil {
		t.Fatal(err)
	}
	deps := edge.Deps{Node: partsOf(node), Routes: node.Routes(), Waiting: waiting, Hub: hub, Verifier: verifier, Ingest: entrance, Ready: node.Ready, Gatherer: reg}
	if _, err := edge.New(c.Edge(), deps, log, reg); err != nil {
		t.Fatal(err)
	}
	return reg
}

// A measure is a metric as the documentation lists it.
type measure struct{ name, kind, labels, help string }

// described reads what a description says of itself.
var described = regexp.MustCompile(`^Desc\{fqName: ("(?:[^"\\]|\\.)*"), help: ("(?:[^"\\]|\\.)*"), (?:unit: "[a-z]*", )?constLabels: \{\}, variableLabels: \{(.*)\}\}$`)

// measures lists the metrics in the order of their names.
func measures(t *testing.T) []measure {
	t.Helper()
	reg := registry(t)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, f := range families {
		kinds[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		reg.Describe(descriptions)
	}()
	var list []measure
	for d := range descriptions {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Errorf("unknown kind of description: %s", d)
			continue
		}
		name, err1 := strconv.Unquote(m[1])
		help, err2 := strconv.Unquote(m[2])
		if err1 != nil || err2 != nil || name == "" || help == "" {
			t.Errorf("bad name or help: %s", d)
		}
		list = append(list, measure{name, cmp.Or(kinds[name], "gauge"), m[3], help})
	}
	slices.SortFunc(list, func(a, b measure) int { return strings.Compare(a.name, b.name) })
	return list
}

var update = flag.Bool("update", false, "write tables into the documentation")

func TestTheDocsHoldTheTableOfAllMetrics(t *testing.T) {
	const begin, end = "<!-- metrics -->\n", "<!-- /metrics -->"
	var want strings.Builder
	want.WriteString("| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, m := range measures(t) {
		labels := ""
		if m.labels != "" {
			labels = "`" + strings.ReplaceAll(m.labels, ",", "`, `") + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", m.name, m.kind, labels, strings.ReplaceAll(m.help, "|", `\|`))
	}
	head, rest, ok := strings.Cut(page(t, operatingPage), begin)
	have, tail, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no place for the table of metrics", operatingPage)
	case have == want.String():
	case !*update:
		t.Fatalf("the table of metrics in %s is not what the code says; make docs", operatingPage)
	default:
		if err := os.WriteFile("../../"+operatingPage, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A series that is not there yet has no rate, so whatever can be known of its
// labels is there before it counts. Of what a partition lags nothing is known.
func TestAllMetricsHaveSeriesBeforeAnythingHappens(t *testing.T) {
	families, err := registry(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{"weft_kafka_lag_records": true}
	for _, f := range families {
		have[f.GetName()] = true
	}
	for _, m := range measures(t) {
		if !have[m.name] {
			t.Errorf("%s has no series", m.name)
		}
	}
}

func TestTheDocsNameMetricsThatExist(t *testing.T) {
	names := map[string]bool{}
	for _, m := range measures(t) {
		names[m.name] = true
	}
	word := regexp.MustCompile("weft_(?:admit|auth|edge|feed|ingest|jetstream|kafka)_[a-z_]+")
	found := 0
	for path, text := range pages(t) {
		for _, name := range word.FindAllString(text, -1) {
			found++
			if !names[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s names %s, and there is no such metric", path, name)
			}
		}
	}
	if found < len(names) {
		t.Fatalf("the documentation names %d metrics", found)
	}
}
