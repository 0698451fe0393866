// Package settings reads the configuration of a node: the defaults, then one
// YAML file, then environment variables, then flags; the later wins.
//
// The keys are the yaml tags of the rooms' Config types, which this package
// only composes. Each room says itself what is wrong with its part; checks that
// need two rooms are here.
//
// Nothing is forgiven and nothing is guessed: an unknown key, a bad value or an
// impossible combination refuses to start. Load reports all of them at once,
// each with file, line and key:
//
//	weft.yaml:12: events.max_age: "1 day" is no duration; write one like 250ms, 30s, 10m or 24h
//
// A scalar key, or a list, is also the environment variable WEFT_SECTION_KEY.
// Lists are written a,b there, or as YAML, which can be a list of sections, too:
//
//	WEFT_AUTH_ISSUERS='[{keys: [{alg: HS256, secret: …}]}]'
package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"weft/bridge"
	"weft/edge"
	"weft/edge/auth"
	"weft/jetstream"
)

// MaxFileBytes bounds the size of a configuration file.
const MaxFileBytes = 1 << 20

// Config is the whole configuration. Its zero value is of no use; begin with
// Default.
type Config struct {
	Node    jetstream.NodeConfig     `yaml:"node"`
	Cluster *jetstream.ClusterConfig `yaml:"cluster"`
	Public  edge.PublicConfig        `yaml:"public"`
	Admin   edge.AdminConfig         `yaml:"admin"`
	Auth    auth.Config              `yaml:"auth"`
	Events  jetstream.EventsConfig   `yaml:"events"`
	Ingest  bridge.IngestConfig      `yaml:"ingest"`
	Kafka   bridge.KafkaConfig       `yaml:"kafka"`
	Log     LogConfig                `yaml:"log"`
	Tuning  edge.TuningConfig        `yaml:"tuning"`
}

// LogConfig is the section log.
type LogConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

var configType = reflect.TypeFor[Config]()

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
		Tuning: face.Tuning,
	}
}

// JetStream is the part that the node needs.
func (c *Config) JetStream() jetstream.Config {
	return jetstream.Config{Node: c.Node, Cluster: c.Cluster, Events: c.Events, MaxTokenLife: c.Auth.MaxTokenLife}
}

// Edge is the part that listeners and connections need.
func (c *Config) Edge() edge.Config {
	return edge.Config{Public: c.Public, Admin: c.Admin, Auth: c.Auth, Tuning: c.Tuning}
}

// Bridge is the part that the ways in need.
func (c *Config) Bridge() bridge.Config {
	return bridge.Config{Kafka: c.Kafka, Ingest: c.Ingest}
}

// A Setting is a key that a flag sets.
type Setting struct {
	Flag  string // with its dashes, for messages
	Key   string
	Value string
}

// Source says where to read.
type Source struct {
	// Path of the file; "" for none.
	Path string
	// Environ is in the form of os.Environ; only WEFT_* is looked at.
	Environ []string
	// Settings come from flags.
	Settings []Setting
	// InsecurePublic permits auth.mode none on a public listener that others
	// can reach.
	InsecurePublic bool
}

// Loaded is a configuration that was read and checked, and where each value
// came from.
type Loaded struct {
	Config
	name    string // as loader has it
	origins origins
}

// loader collects what is wrong while it reads.
type loader struct {
	name     string // of the file, or what to call the whole without one
	problems Problems
	origins  origins
}

// Load reads and checks a configuration. Its error is Problems, or that of
// reading the file.
func Load(src Source) (*Loaded, error) {
	var text []byte
	if src.Path != "" {
		var err error
		if text, err = readFile(src.Path); err != nil {
			return nil, err
		}
	}
	return load(src, text)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > MaxFileBytes {
		return nil, errors.New("read configuration: " + path + " is larger than 1MiB")
	}
	return text, nil
}

// load is Load without the file system.
func load(src Source, text []byte) (*Loaded, error) {
	l := &loader{name: src.Path, origins: origins{}}
	if l.name == "" {
		l.name = "configuration"
	}
	c := Default()
	root := reflect.ValueOf(&c).Elem()
	d := &document{loader: l, origin: Origin{Name: l.name}, lines: true}
	if n := d.parse(text); n != nil {
		d.decodeSection(n, root, "", line(n))
	}
	l.readEnvironment(src.Environ, root)
	for _, s := range src.Settings {
		l.set(s, root)
	}
	if c.Cluster != nil {
		c.Cluster.Complete()
	}
	for _, err := range c.check(src.InsecurePublic) {
		l.addCheck(err)
	}
	if len(l.problems) > 0 {
		l.problems.sort()
		return nil, l.problems
	}
	return &Loaded{Config: c, name: l.name, origins: l.origins}, nil
}

func (l *loader) set(s Setting, root reflect.Value) {
	for _, leaf := range leavesOf(configType) {
		if leaf.key == s.Key {
			l.setText(leaf, s.Value, Origin{Name: s.Flag}, root)
			return
		}
	}
	l.add(Origin{Name: s.Flag}, s.Key, "unknown key")
}
