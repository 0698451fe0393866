// Package settings is the configuration of a node as a whole: it composes the
// sections of all rooms, and checks what needs more than one of them to be seen.
// Each room says itself what is wrong with its part; package config reads the text.
package settings

import (
	_ "embed"
	"io"

	"weft/bridge"
	"weft/config"
	"weft/edge"
	"weft/edge/auth"
	"weft/edge/proxy/upstream"
	"weft/jetstream"
	"weft/jetstream/event"
	"weft/jetstream/server"
)

// Config is the whole configuration. Its zero value is of no use; begin with
// Default.
type Config struct {
	Node      server.NodeConfig     `yaml:"node"`
	Cluster   *server.ClusterConfig `yaml:"cluster"`
	Public    edge.PublicConfig     `yaml:"public"`
	Admin     edge.AdminConfig      `yaml:"admin"`
	Auth      auth.Config           `yaml:"auth"`
	Events    event.Limits          `yaml:"events"`
	Ingest    bridge.IngestConfig   `yaml:"ingest"`
	Kafka     bridge.KafkaConfig    `yaml:"kafka"`
	Upstreams []upstream.Config     `yaml:"upstreams"`
	Log       LogConfig             `yaml:"log"`
	Tuning    TuningConfig          `yaml:"tuning"`
	edge.RequestLogConfig
	// Routes are documents of routes that are to be there, by name.
	Routes map[string]config.JSON `yaml:"routes"`
}

// LogConfig is the section log.
type LogConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// TuningConfig is the section tuning: what changes how a node does its work, and
// nothing of what it does.
type TuningConfig struct {
	edge.TuningConfig
	// TrimHeap gives memory back to the system when storms of connections are over.
	TrimHeap bool `yaml:"trim_heap"`
}

// Default returns the defaults.
func Default() Config {
	js, ways, face := jetstream.Default(), bridge.Default(), edge.Default()
	return Config{
		Node:   js.Node,
		Public: face.Public,
		Admin:  face.Admin,
		Auth:   face.Auth,
		Events: js.Events,
		Ingest: ways.Ingest,
		Kafka:  ways.Kafka,
		Log:    LogConfig{Level: "info", Format: "text"},
		Tuning: TuningConfig{TuningConfig: face.Tuning, TrimHeap: true},

		RequestLogConfig: face.Log,
	}
}

// JetStream is the part that the node needs.
func (c *Config) JetStream() jetstream.Config {
	return jetstream.Config{Node: c.Node, Cluster: c.Cluster, Events: c.Events, MaxTokenLife: c.Auth.MaxTokenLife, Routes: c.Routes}
}

// Edge is the part that listeners and connections need.
func (c *Config) Edge() edge.Config {
	return edge.Config{Public: c.Public, Admin: c.Admin, Auth: c.Auth, Tuning: c.Tuning.TuningConfig, Log: c.RequestLogConfig, Upstreams: c.Upstreams}
}

// Bridge is the part that the ways in need.
func (c *Config) Bridge() bridge.Config {
	return bridge.Config{Kafka: c.Kafka, Ingest: c.Ingest}
}

// Variables of the command line that stand for a flag and not for a key.
const (
	// PathVariable names the file where no flag does.
	PathVariable = "WEFT_CONFIG"
	// TokenVariable holds the token of the user that a client command follows.
	TokenVariable = "WEFT_TOKEN"
)

// Source says where to read.
type Source struct {
	config.Source
	// InsecurePublic permits auth.mode none on a public listener that others
	// can reach.
	InsecurePublic bool
}

// Loaded is a configuration that was read and checked, and where each value came
// from.
type Loaded struct {
	Config
	*config.Loaded
}

// Load reads and checks a configuration. Its error is config.Diagnostics, or that of
// reading the file.
func Load(src Source) (*Loaded, error) {
	src.FlagVariables = []string{PathVariable, TokenVariable}
	l := &Loaded{Config: Default()}
	var err error
	if l.Loaded, err = config.Load(src.Source, &l.Config); err != nil {
		return nil, err
	}
	if l.Cluster != nil {
		l.Cluster.Complete()
	}
	l.Refuse(l.check(src.InsecurePublic))
	if err := l.Err(); err != nil {
		return nil, err
	}
	return l, nil
}

// meanings holds one line for each key: the key, a tab, what it means.
//
//go:embed meanings.txt
var meanings string

// WriteReference writes the table of all keys in Markdown.
func WriteReference(w io.Writer) error {
	return config.WriteReference(w, Default(), config.ReadMeanings(meanings))
}
