package jetstream

import (
	"slices"
	"time"

	"weft/jetstream/event"
	"weft/jetstream/ingress"
	"weft/jetstream/kv"
	"weft/jetstream/routes"
	"weft/jetstream/server"
)

// Config is what a node needs to know. The keys are those of the configuration
// file; Default gives the defaults, Check says what is wrong.
type Config struct {
	Node    server.NodeConfig
	Cluster *server.ClusterConfig // nil: one standalone node
	Events  event.Limits
	// MaxTokenLife is auth.max_token_life: the age of the bucket blacklist.
	MaxTokenLife time.Duration
	// Routes are documents that the node creates where the bucket routes has nothing of
	// their name.
	Routes routes.Seeds
	// Rules makes the events of what NATS publishers send to in.<rule>; nil: there are none.
	Rules ingress.Rules
}

// Default returns the defaults.
func Default() Config {
	return Config{
		Node:         server.NodeConfig{DataDir: "./data", Listen: "127.0.0.1:4222", MinFree: 128 << 20},
		Events:       event.Limits{MaxAge: 24 * time.Hour, MaxPerSubject: 100, MaxBytes: 1 << 30},
		MaxTokenLife: 24 * time.Hour,
	}
}

// Check returns all that is wrong with the configuration, each a *config.KeyError.
func (c *Config) Check() []error {
	s := c.server()
	return slices.Concat(s.Check(), c.Events.Check(), c.Routes.Check())
}

// replicas is how many copies of stream and buckets there are.
func (c *Config) replicas() int {
	if c.Cluster == nil {
		return 1
	}
	return 3
}

// linkAddr is where the node listens for links to others; empty when it is alone.
func (c *Config) linkAddr() string {
	if c.Cluster == nil {
		return ""
	}
	return c.Cluster.Listen
}

// server is what the embedded server needs to know.
func (c *Config) server() server.Config {
	s := server.Config{Node: c.Node, Cluster: c.Cluster}
	for _, bucket := range kv.Operated {
		// To purge is to forget the traces of deleted keys. The blacklist's go by age:
		// without them a node that was away would not learn of the deletion.
		s.Buckets = append(s.Buckets, server.Bucket{Name: bucket, Purge: bucket == kv.Routes})
	}
	return s
}

// CheckFiles reports what Open would stumble over: the data folder, if it is
// there, and the files that the configuration names. Each error is a *config.KeyError.
// It changes nothing, and a node that runs on the folder is no error.
func (c *Config) CheckFiles() []error {
	s := c.server()
	return s.CheckFiles()
}
