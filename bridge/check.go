package bridge

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"time"

	"weft/config"
)

// maxTemplates bounds how many templates one source may have.
const maxTemplates = 16

// topicName is what a broker accepts as the name of a topic.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// Check returns all that is wrong with the configuration, each a
// *config.KeyError.
func (c *Config) Check() []error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, config.BadKey(key, format, args...))
	}
	if c.Ingest.BodyLimit < 1<<10 || c.Ingest.BodyLimit > 64<<20 {
		bad("ingest.body_limit", "%v is not between 1KiB and 64MiB", c.Ingest.BodyLimit)
	} else if c.Ingest.BodiesLimit < c.Ingest.BodyLimit {
		bad("ingest.bodies_limit", "%v is below ingest.body_limit, %v", c.Ingest.BodiesLimit, c.Ingest.BodyLimit)
	}
	c.Ingest.checkRules(bad)
	c.Kafka.check(bad)
	return errs
}

// ruleName is what a rule that publishers name may be called: a token of a subject that needs
// no escaping, and no more than can be typed.
var ruleName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

func (c *IngestConfig) checkRules(bad func(key, format string, args ...any)) {
	seen := map[string]bool{}
	for i, r := range c.Rules {
		key := "ingest.rules[" + strconv.Itoa(i) + "]"
		switch {
		case !ruleName.MatchString(r.Name):
			bad(key+".name", "%q is no name of a rule: want 1 to 64 letters, digits, - and _", r.Name)
		case seen[r.Name]:
			bad(key+".name", "%q is there twice; give one rule several templates in to", r.Name)
		}
		seen[r.Name] = true
		checkTemplates(key, r.To, r.Type, knownOfRequest, bad)
	}
}

// checkTemplates checks what a source and a rule have in common.
func checkTemplates(key string, to []string, kind string, known func(string) bool, bad func(key, format string, args ...any)) {
	if len(to) == 0 {
		bad(key+".to", "is empty; say whom events are for, like user.{/customer/id}")
	}
	if len(to) > maxTemplates {
		bad(key+".to", "%d templates, at most %d", len(to), maxTemplates)
	}
	for j, t := range to {
		if _, err := parseTo(t, known); err != nil {
			bad(key+".to["+strconv.Itoa(j)+"]", "%v", err)
		}
	}
	if _, err := parseType(kind, known); err != nil {
		bad(key+".type", "%v", err)
	}
}

// CheckFiles reports which files that the configuration names cannot be used,
// each error a *config.KeyError.
func (c *Config) CheckFiles() []error {
	if len(c.Kafka.Brokers) == 0 || c.Kafka.TLS == nil {
		return nil
	}
	var errs []error
	files := c.Kafka.TLS
	if files.CA != "" {
		if _, err := config.ReadPool("kafka.tls.ca", files.CA); err != nil {
			errs = append(errs, err)
		}
	}
	if files.Cert != "" {
		errs = append(errs, config.CheckPair("kafka.tls", files.Cert, files.Key)...)
	}
	return errs
}

func (k *KafkaConfig) check(bad func(key, format string, args ...any)) {
	if len(k.Sources) > 0 {
		k.checkConsumer(bad)
	}
	if len(k.Sources) > 0 || len(k.Brokers) > 0 { // routes need brokers, too
		k.checkConnection(bad)
	}
	k.checkSources(bad)
}

// checkConsumer checks what only the consumer of sources obeys.
func (k *KafkaConfig) checkConsumer(bad func(key, format string, args ...any)) {
	if k.Name == "" || len(k.Name) > 50 {
		bad("kafka.name", "want 1 to 50 bytes")
	}
	if k.Group == "" {
		bad("kafka.group", "is empty; name the consumer group")
	}
	if len(k.Brokers) == 0 {
		bad("kafka.brokers", "is empty but there are kafka.sources; name at least one host:port")
	}
	if k.Heartbeat < 50*time.Millisecond {
		bad("kafka.heartbeat", "%v is below 50ms", k.Heartbeat)
	}
	if k.SessionTimeout < 3*k.Heartbeat {
		bad("kafka.session_timeout", "%v is less than three heartbeats of %v", k.SessionTimeout, k.Heartbeat)
	}
	if k.Window < 1 || k.Window > 65536 {
		bad("kafka.window", "%d is not between 1 and 65536", k.Window)
	}
}

// checkConnection checks how brokers are reached.
func (k *KafkaConfig) checkConnection(bad func(key, format string, args ...any)) {
	for i, b := range k.Brokers {
		host, port, err := net.SplitHostPort(b)
		if n, perr := strconv.Atoi(port); err != nil || perr != nil || host == "" || n < 1 || n > 65535 {
			bad("kafka.brokers["+strconv.Itoa(i)+"]", "%q is no host:port", b)
		}
	}
	if k.TLS != nil && (k.TLS.Cert == "") != (k.TLS.Key == "") {
		bad("kafka.tls", "cert and key come together")
	}
	if s := k.SASL; s != nil {
		if !slices.Contains([]string{MechanismPlain, MechanismSHA256, MechanismSHA512}, s.Mechanism) {
			bad("kafka.sasl.mechanism", "%q is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", s.Mechanism)
		}
		if s.User == "" {
			bad("kafka.sasl.user", "is empty")
		}
		if s.Password == "" {
			bad("kafka.sasl.password", "is empty")
		}
	}
}

func (k *KafkaConfig) checkSources(bad func(key, format string, args ...any)) {
	topics := map[string]bool{}
	for _, s := range k.Sources {
		topics[s.Topic] = true
	}
	seen := map[string]bool{}
	for i, s := range k.Sources {
		key := "kafka.sources[" + strconv.Itoa(i) + "]"
		switch {
		case !topicName.MatchString(s.Topic):
			bad(key+".topic", "%q is no name of a topic", s.Topic)
		case seen[s.Topic]:
			bad(key+".topic", "%q is there twice; give one source several templates in to", s.Topic)
		}
		seen[s.Topic] = true
		checkTemplates(key, s.To, s.Type, known, bad)
		if s.Start != "" && s.Start != StartOldest && s.Start != StartNewest {
			bad(key+".start", "%q is neither oldest nor newest", s.Start)
		}
		switch {
		case s.DeadLetter == "":
		case !topicName.MatchString(s.DeadLetter):
			bad(key+".dead_letter", "%q is no name of a topic", s.DeadLetter)
		case topics[s.DeadLetter]:
			bad(key+".dead_letter", "%q is also a source: its records would go round in circles", s.DeadLetter)
		}
	}
}
