package jetstream

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"weft/jetstream/subject"
)

// Config is what a node needs to know. The keys are those of the configuration
// file; Default gives the defaults, Check says what is wrong.
type Config struct {
	Node    NodeConfig
	Cluster *ClusterConfig // nil: one standalone node
	Events  EventsConfig
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
	MinFree Bytes `yaml:"min_free"`
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
	TLS *TLSFiles `yaml:"tls"`
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

// TLSFiles names PEM files.
type TLSFiles struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	CA   string `yaml:"ca"`
}

// EventsConfig is the section events: the limits of the stream EVENTS.
type EventsConfig struct {
	MaxAge        time.Duration `yaml:"max_age"`
	MaxPerSubject int           `yaml:"max_per_subject"`
	MaxBytes      Bytes         `yaml:"max_bytes"`
}

// Default returns the defaults.
func Default() Config {
	return Config{
		Node:         NodeConfig{DataDir: "./data", Listen: "127.0.0.1:4222", MinFree: 128 << 20},
		Events:       EventsConfig{MaxAge: 24 * time.Hour, MaxPerSubject: 100, MaxBytes: 1 << 30},
		MaxTokenLife: 24 * time.Hour,
	}
}

// A KeyError is a bad value of a configuration key.
type KeyError struct {
	Key string // as in the file: "events.max_age"
	Msg string // what is wrong and what to do
	Err error  // the cause, nil when there is none but Msg
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Msg }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

func badKey(key, format string, args ...any) error {
	return &KeyError{Key: key, Msg: fmt.Sprintf(format, args...)}
}

// Check returns all that is wrong with the configuration, each a *KeyError.
func (c *Config) Check() []error {
	var errs []error
	bad := func(key, format string, args ...any) { errs = append(errs, badKey(key, format, args...)) }
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
	if err := CheckListen(c.Node.Listen); err != nil {
		bad("node.listen", "%v", err)
	} else if len(c.Node.Users) == 0 && !IsLoopback(c.Node.Listen) {
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
	if c.Events.MaxAge < 10*time.Second {
		bad("events.max_age", "%v is below 10s", c.Events.MaxAge)
	}
	if c.Events.MaxPerSubject < 1 {
		bad("events.max_per_subject", "%d is below 1", c.Events.MaxPerSubject)
	}
	if c.Events.MaxBytes < 8<<20 {
		bad("events.max_bytes", "%v is below 8MiB", c.Events.MaxBytes)
	}
	return errs
}

// Bytes is a size. In text it is a number with an optional unit: 512, 64KiB,
// 1MiB, 1GiB (powers of 1024) or 10KB, 1MB, 1GB (powers of 1000).
type Bytes int64

var units = []struct {
	name string
	size int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	s, size := strings.TrimSpace(string(text)), int64(1)
	for _, u := range units {
		if head, ok := strings.CutSuffix(s, u.name); ok {
			s, size = strings.TrimSpace(head), u.size
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/size {
		return fmt.Errorf("%q is no size; write one like 512, 64KiB or 1GiB", text)
	}
	*b = Bytes(n * size)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String writes the size with the greatest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range units[:4] {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
