package test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/stage"
)

// alertsOf are the expressions of the alerts that the documentation names.
func alertsOf(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "| alert when | because |\n| --- | --- |\n")
	table, _, ok2 := strings.Cut(table, "\n\n")
	if !ok || !ok2 {
		t.Fatal("docs/operating.md has no table of alerts")
	}
	var alerts []string
	for row := range strings.Lines(table) {
		cells := strings.SplitN(row, "`", 3)
		if len(cells) != 3 || cells[0] != "| " || !strings.HasPrefix(cells[2], " | ") {
			t.Fatalf("no alert: %q", row)
		}
		alerts = append(alerts, cells[1])
	}
	if len(alerts) < 20 {
		t.Fatalf("docs/operating.md has %d alerts", len(alerts))
	}
	return alerts
}

// scrape reads all metrics, as promtool does.
func scrape(t *testing.T, n *stage.Node) []byte {
	t.Helper()
	req, err := http.NewRequest("GET", n.AdminURL()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	status, body, _ := exchange(t, req)
	if status != http.StatusOK {
		t.Fatalf("metrics: %d", status)
	}
	return body
}

// seriesOf are the values of all series of a scrape by name and labels.
func seriesOf(t *testing.T, scraped []byte) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^(\w+(?:\{.*\})?) (\S+)$`).FindAllSubmatch(scraped, -1) {
		v, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			t.Fatalf("series %q: %v", m[0], err)
		}
		all[string(m[1])] = v
	}
	return all
}

// freshNode is one to which nothing has happened yet: it has a Kafka source with
// dead letters, and a URL of keys that nobody serves.
func freshNode(t *testing.T) *stage.Node {
	n, _ := freshNodeAndTopic(t)
	return n
}

func freshNodeAndTopic(t *testing.T) (n *stage.Node, topic string) {
	t.Helper()
	k := broker(t)
	topic = fmt.Sprintf("alerts-%d", time.Now().UnixNano())
	if err := stage.CreateTopic(within(t, time.Minute), k.Address, topic, 1); err != nil {
		t.Fatal(err)
	}
	config := stage.Settings(t.TempDir()).Kafka(k.Address,
		stage.Source{"topic": topic, "to": []any{"user.{key}"}, "dead_letter": topic + ".dead"})
	config["auth.issuers"] = append(config["auth.issuers"].([]any),
		map[string]any{"jwks": "http://" + stage.FreeAddress(t) + "/keys", "issuer": "https://id.example.com"})
	n = stage.StartNode(t, config)
	eventually(t, time.Minute, "the partition is claimed", func() bool {
		_, ok := seriesOf(t, scrape(t, n))[`weft_kafka_lag_records{partition="0",topic="`+topic+`"}`]
		return ok
	})
	return n, topic
}

// A selector is what an expression asks for: a name, and labels that must be equal.
var selector = regexp.MustCompile(`(weft_\w+)(?:\{(\w+="[^"]*")\})?`)

// An alert on a series that does not exist says nothing, and a counter that appears
// with the first of what it counts has no rate.
func TestEachSeriesThatAnAlertNamesIsThereFromTheStart(t *testing.T) {
	have := seriesOf(t, scrape(t, freshNode(t)))
	for _, alert := range alertsOf(t) {
		names := selector.FindAllStringSubmatch(alert, -1)
		if len(names) == 0 {
			t.Errorf("%s names no series", alert)
		}
		for _, s := range names {
			found := false
			for series, v := range have {
				name, labels, _ := strings.Cut(series, "{")
				if name != s[1] || !strings.Contains(labels, s[2]) {
					continue
				}
				found = true
				if counted := strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_bucket"); counted && v != 0 {
					t.Errorf("%s is at %v on a node to which nothing has happened", series, v)
				}
			}
			if !found {
				t.Errorf("%s: there is no %s", alert, s[0])
			}
		}
	}
}

// promtool runs Prometheus' own tool and returns what it says.
func promtool(t *testing.T, stdin []byte, arguments ...string) (string, error) {
	t.Helper()
	find := exec.Command("scripts/promtool.sh")
	find.Stderr = os.Stderr
	path, err := find.Output()
	if err != nil {
		t.Fatalf("find promtool: %v", err)
	}
	run := exec.CommandContext(within(t, time.Minute), strings.TrimSpace(string(path)), arguments...)
	run.Stdin = bytes.NewReader(stdin)
	out, err := run.CombinedOutput()
	return string(out), err
}

func TestPrometheusFindsNothingWrongWithTheMetrics(t *testing.T) {
	n := freshNode(t)
	publish(t, n, "ann", "", []byte("{}"))
	// The last one is of Prometheus' own library.
	ours := regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?weft_.*\n`).FindAll(scrape(t, n), -1)
	if out, err := promtool(t, bytes.Join(ours, nil), "check", "metrics"); err != nil || out != "" {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	if _, err := promtool(t, []byte("# TYPE weft_wrong counter\nweft_wrong 1\n"), "check", "metrics"); err == nil {
		t.Error("promtool finds nothing wrong with a counter without help and _total")
	}
}

// rises matches the series that go on as they did; the others stay.
var rises = regexp.MustCompile(`^\w+_(total|bucket|count|sum|sequence)\b`)

// Prometheus takes each alert of the documentation as a rule, and on what a well node
// shows, now and a while later, none of them fires but the one on the keys that
// nobody serves.
func TestPrometheusTakesEachAlertOfTheDocsAndNoneFiresOnANodeThatIsWell(t *testing.T) {
	n := freshNode(t)
	first := seriesOf(t, scrape(t, n))
	var then map[string]float64
	eventually(t, 40*time.Second, "the stream moves on", func() bool {
		then = seriesOf(t, scrape(t, n))
		return then["weft_feed_safe_sequence"] > first["weft_feed_safe_sequence"]
	})
	alerts := alertsOf(t)
	var rules, tests []any
	for i, alert := range alerts {
		name := fmt.Sprintf("Alert%d", i)
		rules = append(rules, map[string]any{"alert": name, "expr": alert})
		expected := []any{}
		if strings.Contains(alert, "jwks") {
			expected = append(expected, map[string]any{"exp_labels": map[string]any{"jwks": jwksName(t, then)}})
		}
		tests = append(tests, map[string]any{"eval_time": "2h", "alertname": name, "exp_alerts": expected})
	}
	var input []any
	for series, v := range then {
		if strings.HasPrefix(series, "weft_") {
			step := 0.0
			if rises.MatchString(series) {
				step = v - first[series]
			}
			input = append(input, map[string]any{"series": series, "values": fmt.Sprintf("%g+%gx120", v, step)})
		}
	}
	dir := t.TempDir()
	write := func(name string, content any) string {
		text, err := yaml.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ruleFile := write("rules.yaml", map[string]any{"groups": []any{map[string]any{"name": "weft", "rules": rules}}})
	if out, err := promtool(t, nil, "check", "rules", ruleFile); err != nil {
		t.Fatalf("promtool check rules: %v\n%s", err, out)
	}
	testFile := write("test.yaml", map[string]any{"rule_files": []any{ruleFile}, "evaluation_interval": "1m",
		"tests": []any{map[string]any{"interval": "1m", "input_series": input, "alert_rule_test": tests}}})
	if out, err := promtool(t, nil, "test", "rules", testFile); err != nil {
		t.Errorf("promtool test rules: %v\n%s\nthe alerts: %q", err, out, alerts)
	}
}

// jwksName is the label of the one key set.
func jwksName(t *testing.T, series map[string]float64) string {
	t.Helper()
	for s := range series {
		if name, ok := strings.CutPrefix(s, `weft_auth_jwks_loaded_timestamp_seconds{jwks="`); ok {
			return strings.TrimSuffix(name, `"}`)
		}
	}
	t.Fatal("there is no series of the key set")
	return ""
}

// An event is timed once, however many connections it goes to; that of a Kafka
// record is as old as the record.
func TestEventsStoresAndConnectsAreTimed(t *testing.T) {
	const old = 10 * time.Minute
	n, topic := freshNodeAndTopic(t)
	all := everywhere(t, n, "ann")
	publish(t, n, "ann", "", []byte(`"http"`))
	if err := n.NATS().Publish("user.ann", []byte(`"nats"`)); err != nil {
		t.Fatal(err)
	}
	produce(t, broker(t).Address, &kgo.Record{Topic: topic, Key: []byte("ann"), Value: []byte(`"kafka"`), Timestamp: time.Now().Add(-old)})
	for kind, r := range all {
		if _, err := r.AwaitEvents(soon(t), 3); err != nil {
			t.Fatalf("over %s: %v", kind, err)
		}
	}
	timed := func(source string) string { return `weft_feed_event_age_seconds_count{source="` + source + `"}` }
	var have map[string]float64
	// A follower may have an event before its publisher has the acknowledgement, and before it is timed.
	eventually(t, 20*time.Second, "each store and event is timed", func() bool {
		have = seriesOf(t, scrape(t, n))
		return have["weft_jetstream_store_seconds_count"] >= 2 && have[timed("http")] >= 1 && have[timed("nats")] >= 1 && have[timed("kafka")] >= 1
	})
	for _, source := range []string{"http", "nats", "kafka"} {
		if got := have[timed(source)]; got != 1 {
			t.Errorf("%v events from %s were timed, want 1", got, source)
		}
		age := have[`weft_feed_event_age_seconds_sum{source="`+source+`"}`]
		if source == "kafka" && (age < old.Seconds() || age > 2*old.Seconds()) || source != "kafka" && (age < 0 || age > 60) {
			t.Errorf("the age of the event from %s is %v s", source, age)
		}
	}
	if got := have["weft_jetstream_store_seconds_count"]; got != 2 { // NATS clients store by themselves
		t.Errorf("%v stores were timed, want 2", got)
	}
	for kind := range all {
		if have[fmt.Sprintf(`weft_edge_connect_seconds_count{transport=%q}`, kind)] == 0 {
			t.Errorf("no connect over %s was timed", kind)
		}
	}
}
