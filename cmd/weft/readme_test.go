package main

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
	"weft/bridge/ingest"
	"weft/bridge/kafka"
	"weft/config"
	"weft/edge"
	"weft/edge/auth"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream"
	"weft/jetstream/feed"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// registered lists the metrics of a node with all its parts. None is opened.
func registered(t *testing.T) map[string]bool {
	t.Helper()
	c := config.Default()
	c.Auth.Issuers = []auth.Issuer{{JWKS: "https://id.example.com/keys"}}
	c.Kafka.Brokers = []string{"localhost:9092"}
	c.Kafka.Sources = []bridge.Source{{Topic: "orders", To: []string{"user.{key}"}}}
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	node := jetstream.New(c.JetStream(), log, reg)
	hub := feed.New(node, log, reg)
	entrance := ingest.New(c.Ingest, node, reg)
	if _, err := kafka.New(kafka.Options{Kafka: c.Kafka, MaxAge: c.Events.MaxAge}, kafka.StoreOf(node), log, reg); err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.New(c.Auth, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	deps := edge.Deps{Node: node, Hub: hub, Verifier: verifier, Ingest: entrance, Ready: node.Ready, Gatherer: reg}
	if _, err := edge.New(c.Edge(), deps, log, reg); err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		reg.Describe(descriptions)
	}()
	names, name := map[string]bool{}, regexp.MustCompile(`fqName: "([a-z_]+)"`)
	for d := range descriptions {
		if m := name.FindStringSubmatch(d.String()); m != nil {
			names[m[1]] = true
		}
	}
	return names
}

func TestREADMENamesMetricsThatExist(t *testing.T) {
	names := registered(t)
	named := regexp.MustCompile("`(weft_(?:admit|auth|edge|feed|ingest|jetstream|kafka)_[a-z_]+)`").FindAllStringSubmatch(readme(t), -1)
	if len(named) == 0 {
		t.Fatal("README names no metric")
	}
	for _, m := range named {
		if !names[m[1]] {
			t.Errorf("README names %s, and there is no such metric", m[1])
		}
	}
}

func TestREADMEHasEachEndingAsItIsSpelt(t *testing.T) {
	text := readme(t)
	// Left has nobody to tell, Dismissed shares a row with Disconnected, and
	// nobody is Isolated on a standalone node.
	for _, c := range []session.Cause{session.Expired, session.Revoked, session.Unauthorised, session.Slow,
		session.Limit, session.Disconnected, session.Draining, session.NotReady} {
		e := c.Ending()
		poll := ""
		if e.Code != "" {
			poll = fmt.Sprint(problem.New(e.Code, "").Status)
		}
		row := regexp.MustCompile(fmt.Sprintf("(?m)^\\| [^|]+ \\| `%s` \\| %d \\| %s", e.Reason, e.Close, poll))
		if !row.MatchString(text) {
			t.Errorf("README has no row like %s", row)
		}
	}
}

func TestREADMEHasEachCodeAtItsStatus(t *testing.T) {
	source, err := os.ReadFile("../../edge/problem/problem.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code = "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) == 0 {
		t.Fatal("there are no codes")
	}
	rows := regexp.MustCompile(`(?m)^\| (\d{3}(?:, \d{3})*) \| (.*) \|$`).FindAllStringSubmatch(readme(t), -1)
	for _, code := range codes {
		found := false
		for _, row := range rows {
			status := fmt.Sprint(problem.New(problem.Code(code[1]), "").Status)
			found = found || strings.Contains(row[1], status) && strings.Contains(row[2], "`"+code[1]+"`")
		}
		if !found {
			t.Errorf("README does not have the code %s at its status", code[1])
		}
	}
}
