package jetstream

import (
	"strconv"
	"strings"
	"time"

	"weft/config"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// Config is what a node needs to know. The keys are those of the configuration
// file; Default gives the defaults, Check says what is wrong.
type Config struct {
	Node    NodeConfig
	Cluster *ClusterConfig // nil: one standalone node
	Events  event.Limits
	// MaxTokenLife is auth.max_token_life: the age of the bucket blacklist.
	MaxTokenLife time.Duration
}

// NodeConfig is the section node.
type NodeConfig struct {
	// Name of the node, unique in its cluster; the host name when empty.
	Name string `yaml:"name"`
	// DataDir is the folder that holds all state.
	DataDir string `yaml:"data_dir"`
	// Listen is the address for NATS clients: publishers and operators.
	Listen string `yaml:"listen"`
	// Users may connect there. Without any, Listen must be loopback and every
	// local client may publish events and use the buckets.
	Users []User `yaml:"users"`
	// MinFree is the free disk space below which events are refused.
	MinFree config.Bytes `yaml:"min_free"`
}

// User is a NATS client user.
type User struct {
	Name     string `yaml:"name"`
	Password string `yaml:"password"`
	// Role is publisher (may publish events) or operator (may use the buckets).
	Role string `yaml:"role"`
}

// Roles of a User.
const (
	RolePublisher = "publisher"
	RoleOperator  = "operator"
)

// ClusterConfig is the section cluster.
type ClusterConfig struct {
	// Name of the cluster; the same on all nodes.
	Name string `yaml:"name"`
	// Size is how many nodes must meet to form the cluster the first time: odd
	// and at least 3. More may join later.
	Size int `yaml:"size"`
	// Listen is the address for the links to other nodes.
	Listen string `yaml:"listen"`
	// Advertise is the address that others are told; Listen's when empty.
	Advertise string `yaml:"advertise"`
	// Seeds are addresses of some nodes; each name stands for all its addresses.
	Seeds []string `yaml:"seeds"`
	// Secret is the password of the links.
	Secret string `yaml:"secret"`
	// TLS makes both sides of a link show a certificate; nil is plain text.
	TLS *config.TLSFiles `yaml:"tls"`
	// IsolatedFor is how long a node that is cut off keeps its connections.
	IsolatedFor time.Duration `yaml:"isolated_for"`
}

// Complete fills what was left out of a section cluster with its defaults.
func (c *ClusterConfig) Complete() {
	if c.Name == "" {
		c.Name = "weft"
	}
	if c.Size == 0 {
		c.Size = 3
	}
	if c.Listen == "" {
		c.Listen = "0.0.0.0:6222"
	}
	if c.IsolatedFor == 0 {
		c.IsolatedFor = 30 * time.Second
	}
}

// Default returns the defaults.
func Default() Config {
	return Config{
		Node:         NodeConfig{DataDir: "./data", Listen: "127.0.0.1:4222", MinFree: 128 << 20},
		Events:       event.Limits{MaxAge: 24 * time.Hour, MaxPerSubject: 100, MaxBytes: 1 << 30},
		MaxTokenLife: 24 * time.Hour,
	}
}

// Check returns all that is wrong with the configuration, each a *config.KeyError.
func (c *Config) Check() []error {
	var errs []error
	bad := func(key, format string, args ...any) { errs = append(errs, config.BadKey(key, format, args...)) }
	if c.Node.Name != "" {
		if t, err := subject.Escape(c.Node.Name); err != nil {
			bad("node.name", "%v", err)
		} else if t != strings.ReplaceAll(c.Node.Name, ".", "=2E") {
			bad("node.name", "%q holds other bytes than letters, digits, '.', '-' and '_'", c.Node.Name)
		}
	}
	if c.Node.DataDir == "" {
		bad("node.data_dir", "is empty; name a folder")
	}
	if err := config.CheckListen(c.Node.Listen); err != nil {
		bad("node.listen", "%v", err)
	} else if len(c.Node.Users) == 0 && !config.IsLoopback(c.Node.Listen) {
		bad("node.listen", "%s is beyond loopback and node.users is empty; add users or listen on 127.0.0.1", c.Node.Listen)
	}
	seen := map[string]bool{}
	for i, u := range c.Node.Users {
		key := "node.users[" + strconv.Itoa(i) + "]"
		switch {
		case u.Name == "":
			bad(key+".name", "is empty")
		case isOwnUser(u.Name):
			bad(key+".name", "%q is the name of a user of the node itself", u.Name)
		case seen[u.Name]:
			bad(key+".name", "%q is there twice", u.Name)
		}
		seen[u.Name] = true
		if u.Password == "" {
			bad(key+".password", "is empty")
		}
		if u.Role != RolePublisher && u.Role != RoleOperator {
			bad(key+".role", "%q is neither publisher nor operator", u.Role)
		}
	}
	if c.Cluster != nil {
		c.Cluster.check(bad)
	}
	if c.Node.MinFree < 0 {
		bad("node.min_free", "must not be negative")
	}
	return append(errs, c.Events.Check()...)
}
