package bridge

import (
	"errors"
	"slices"
	"testing"
	"time"

	"weft/config"

	"github.com/goccy/go-yaml"
)

func good() Config {
	c := Default()
	c.Ingest.Rules = []IngestRule{{Name: "orders", To: []string{"user.{/customer/id}", "topic.orders.{header:x-shop}"}, Type: "order.{/state}"}}
	c.Kafka.Brokers = []string{"localhost:9092", "[::1]:9092"}
	c.Kafka.Sources = []Source{{Topic: "orders", To: []string{"user.{/customer/id}"}, Type: "order.{/state}", DeadLetter: "orders.dead"}}
	return c
}

func TestCheckPassesWhatIsGood(t *testing.T) {
	for _, c := range []Config{Default(), good()} {
		if errs := c.Check(); errs != nil {
			t.Error(errs)
		}
	}
}

func TestBrokersMayBeThereForRoutesAlone(t *testing.T) {
	c := good()
	c.Kafka.Sources, c.Kafka.Group = nil, ""
	if errs := c.Check(); errs != nil {
		t.Error(errs)
	}
	c.Kafka.Brokers = []string{"localhost"}
	var bad *config.KeyError
	if errs := c.Check(); len(errs) != 1 || !errors.As(errs[0], &bad) || bad.Key != "kafka.brokers[0]" {
		t.Errorf("a bad address is not told: %v", errs)
	}
}

func TestCheckNamesTheKey(t *testing.T) {
	source := func(f func(*Source)) func(*Config) { return func(c *Config) { f(&c.Kafka.Sources[0]) } }
	rule := func(f func(*IngestRule)) func(*Config) { return func(c *Config) { f(&c.Ingest.Rules[0]) } }
	for key, spoil := range map[string]func(*Config){
		"ingest.rules[1].name":         func(c *Config) { c.Ingest.Rules = append(c.Ingest.Rules, c.Ingest.Rules[0]) },
		"ingest.rules[0].name":         rule(func(r *IngestRule) { r.Name = "a.b" }),
		"ingest.rules[0].to":           rule(func(r *IngestRule) { r.To = nil }),
		"ingest.rules[0].to[0]":        rule(func(r *IngestRule) { r.To[0] = "user.{key}" }),
		"ingest.rules[0].to[1]":        rule(func(r *IngestRule) { r.To[1] = "topic.{header:Authorization}" }),
		"ingest.rules[0].type":         rule(func(r *IngestRule) { r.Type = "order.{/a~2}" }),
		"ingest.body_limit":            func(c *Config) { c.Ingest.BodyLimit = 10 },
		"ingest.bodies_limit":          func(c *Config) { c.Ingest.BodiesLimit = c.Ingest.BodyLimit - 1 },
		"kafka.name":                   func(c *Config) { c.Kafka.Name = "" },
		"kafka.group":                  func(c *Config) { c.Kafka.Group = "" },
		"kafka.brokers":                func(c *Config) { c.Kafka.Brokers = nil },
		"kafka.brokers[1]":             func(c *Config) { c.Kafka.Brokers[1] = "localhost" },
		"kafka.heartbeat":              func(c *Config) { c.Kafka.Heartbeat = time.Millisecond },
		"kafka.session_timeout":        func(c *Config) { c.Kafka.SessionTimeout = c.Kafka.Heartbeat },
		"kafka.window":                 func(c *Config) { c.Kafka.Window = 0 },
		"kafka.tls":                    func(c *Config) { c.Kafka.TLS = &config.TLSFiles{KeyPair: config.KeyPair{Cert: "x"}} },
		"kafka.sasl.mechanism":         func(c *Config) { c.Kafka.SASL = &SASL{Mechanism: "x", User: "u", Password: "p"} },
		"kafka.sasl.user":              func(c *Config) { c.Kafka.SASL = &SASL{Mechanism: "PLAIN", Password: "p"} },
		"kafka.sasl.password":          func(c *Config) { c.Kafka.SASL = &SASL{Mechanism: "PLAIN", User: "u"} },
		"kafka.sources[0].topic":       source(func(s *Source) { s.Topic = "a b" }),
		"kafka.sources[1].topic":       func(c *Config) { c.Kafka.Sources = append(c.Kafka.Sources, c.Kafka.Sources[0]) },
		"kafka.sources[0].to":          source(func(s *Source) { s.To = nil }),
		"kafka.sources[0].to[0]":       source(func(s *Source) { s.To[0] = "user.{/a}.{/b}" }),
		"kafka.sources[0].to[1]":       source(func(s *Source) { s.To = append(s.To, "user.{nobody}") }),
		"kafka.sources[0].type":        source(func(s *Source) { s.Type = "weft.{/x}" }),
		"kafka.sources[0].start":       source(func(s *Source) { s.Start = "latest" }),
		"kafka.sources[0].dead_letter": source(func(s *Source) { s.DeadLetter = "orders" }),
	} {
		c := good()
		spoil(&c)
		errs := c.Check()
		var bad *config.KeyError
		if len(errs) != 1 || !errors.As(errs[0], &bad) || bad.Key != key {
			t.Errorf("%s: %v", key, errs)
		}
	}
}

func TestConfigIsReadFromYAML(t *testing.T) {
	k := Default().Kafka
	err := yaml.UnmarshalWithOptions([]byte(`
brokers: [localhost:9092]
heartbeat: 300ms
read_committed: false
tls: {}
sasl: {mechanism: SCRAM-SHA-512, user: weft, password: w}
sources:
  - topic: orders
    to: ["user.{/customer/id}"]
    start: newest
    dead_letter: orders.dead
`), &k, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(k.Brokers, []string{"localhost:9092"}) || k.Heartbeat != 300*time.Millisecond || k.ReadCommitted || k.TLS == nil ||
		k.SASL.Mechanism != MechanismSHA512 || k.Sources[0].Start != StartNewest || k.Sources[0].DeadLetter != "orders.dead" || k.Group != "weft" {
		t.Errorf("%+v", k)
	}
}
