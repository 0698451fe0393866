package bridge

import (
	"time"

	"weft/config"
)

// Config is what the ways in need to know. The keys are those of the
// configuration file; Default gives the defaults, Check says what is wrong.
type Config struct {
	Kafka  KafkaConfig
	Ingest IngestConfig
}

// IngestConfig is the section ingest: publishing by HTTP, and by rules.
type IngestConfig struct {
	// BodyLimit is the greatest request body. One event is at most 1 MiB; more
	// is for batches and for structured events, whose data is only a part.
	BodyLimit config.Bytes `yaml:"body_limit"`
	// BodiesLimit bounds the request bodies that are held at once, until their
	// events are stored. What is beyond is refused with 429.
	BodiesLimit config.Bytes `yaml:"bodies_limit"`
	// Rules say whom an event is for that is published by HTTP with ?rule=<name>, or by NATS
	// to in.<name>.
	Rules []IngestRule `yaml:"rules"`
}

// IngestRule is a rule that a publisher names.
type IngestRule struct {
	// Name is how; it is a token of a subject.
	Name string `yaml:"name"`
	// To and Type are as those of a Source, but for {key}.
	To   []string `yaml:"to"`
	Type string   `yaml:"type"`
}

// KafkaConfig is the section kafka. Without sources there is no consumer, without brokers
// there are no routes to topics either.
type KafkaConfig struct {
	// Name of the Kafka cluster. It is part of every message id: it must differ
	// when two clusters feed one Weft, and change when a topic is deleted and
	// made anew, whose offsets then begin again.
	Name    string   `yaml:"name"`
	Brokers []string `yaml:"brokers"`
	Group   string   `yaml:"group"`
	Sources []Source `yaml:"sources"`
	// ReadCommitted leaves out records of transactions that were aborted, and
	// waits for the end of open ones: a browser cannot take an event back.
	ReadCommitted bool `yaml:"read_committed"`
	// Heartbeat and SessionTimeout of the group. By a heartbeat members learn
	// that one has left or joined: a partition that moves is silent for one or
	// two of them. A member that dies is missed for SessionTimeout, whose lower
	// limit at a broker is 6 s unless its operator says otherwise.
	Heartbeat      time.Duration `yaml:"heartbeat"`
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// Window is how many events of a partition are on their way to the store.
	Window int `yaml:"window"`
	// TLS to the brokers; present and empty: with the system's authorities.
	TLS  *config.TLSFiles `yaml:"tls"`
	SASL *SASL            `yaml:"sasl"`
}

// Source is a topic and the rule for its records.
type Source struct {
	Topic string `yaml:"topic"`
	// To makes the subjects of an event: user.{/customer/id}, topic.chat.{key}.
	To []string `yaml:"to"`
	// Type makes the type of a record that is no CloudEvent; "" for none.
	Type string `yaml:"type"`
	// Start is oldest or newest: where to begin without a committed offset.
	Start string `yaml:"start"`
	// DeadLetter is the topic for records that cannot be placed; "": they are
	// counted and logged.
	DeadLetter string `yaml:"dead_letter"`
}

// Values of Source.Start.
const (
	StartOldest = "oldest"
	StartNewest = "newest"
)

// SASL is how to prove who we are.
type SASL struct {
	Mechanism string `yaml:"mechanism"`
	User      string `yaml:"user"`
	Password  string `yaml:"password"`
}

// Values of SASL.Mechanism.
const (
	MechanismPlain  = "PLAIN"
	MechanismSHA256 = "SCRAM-SHA-256"
	MechanismSHA512 = "SCRAM-SHA-512"
)

// Default returns the defaults.
func Default() Config {
	return Config{
		Kafka: KafkaConfig{
			Name:           "kafka",
			Group:          "weft",
			Heartbeat:      100 * time.Millisecond,
			SessionTimeout: 6 * time.Second,
			Window:         1024,
			ReadCommitted:  true,
		},
		Ingest: IngestConfig{BodyLimit: 4 << 20, BodiesLimit: 64 << 20},
	}
}
