package server

import (
	"os"
	"strconv"
	"strings"
	"time"

	"weft/config"
	"weft/jetstream/subject"
)

// Config is what a server needs to know.
type Config struct {
	Node    NodeConfig
	Cluster *ClusterConfig // nil: one standalone node
	// Buckets are those that operators may use.
	Buckets []Bucket
}

// A Bucket is one that operators may read, watch and write with any library.
type Bucket struct {
	Name string
	// Purge says that they may also remove what has been deleted for good.
	Purge bool
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
	// MinFree is the free disk space, in bytes, below which events are refused; 0: never.
	MinFree config.Bytes `yaml:"min_free"`
}

// User is a NATS client user.
type User struct {
	Name     string `yaml:"name"`
	Password string `yaml:"password"`
	// Role is publisher (may publish events), operator (may use the buckets) or service
	// (may answer requests, and publish events).
	Role string `yaml:"role"`
}

// Roles of a User.
const (
	RolePublisher = "publisher"
	RoleOperator  = "operator"
	RoleService   = "service"
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
	// Failover says how soon a leader that says nothing is replaced.
	Failover Failover `yaml:"failover"`
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
	if c.Failover == "" {
		c.Failover = FailoverFast
	}
}

// Complete fills what was left out of a section node: the name with that of the host.
func (c *NodeConfig) Complete() {
	if c.Name != "" {
		return
	}
	c.Name = "weft"
	if host, err := os.Hostname(); err == nil {
		c.Name = host
	}
}

// Check returns all that is wrong with the sections node and cluster, each a
// *config.KeyError.
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
		switch u.Role {
		case RolePublisher, RoleOperator:
		case RoleService:
			if strings.ContainsAny(u.Name, " \t\r\n.*>") {
				bad(key+".name", "%q cannot be that of a service, which listens on _INBOX_<name>; use letters, digits, - and _", u.Name)
			}
		default:
			bad(key+".role", "%q is none of publisher, operator and service", u.Role)
		}
	}
	if c.Cluster != nil {
		c.Cluster.check(bad)
	}
	if c.Node.MinFree < 0 {
		bad("node.min_free", "must not be negative")
	}
	return errs
}

func (c *ClusterConfig) check(bad func(key, format string, args ...any)) {
	if c.Name == "" || strings.ContainsAny(c.Name, " \t\r\n.*>") {
		bad("cluster.name", "%q is no name; use letters, digits, - and _", c.Name)
	}
	switch {
	case c.Size == 2:
		bad("cluster.size", "2 nodes are a trap: when either is lost nothing can be stored; run one standalone node or at least 3")
	case c.Size < 3 || c.Size%2 == 0:
		bad("cluster.size", "%d is not an odd number of at least 3", c.Size)
	}
	if err := config.CheckListen(c.Listen); err != nil {
		bad("cluster.listen", "%v", err)
	}
	if c.Advertise != "" {
		if err := config.CheckListen(c.Advertise); err != nil {
			bad("cluster.advertise", "%v", err)
		}
	}
	if len(c.Seeds) == 0 {
		bad("cluster.seeds", "is empty; name at least one node as host:port")
	}
	for i, s := range c.Seeds {
		key := "cluster.seeds[" + strconv.Itoa(i) + "]"
		if err := config.CheckListen(s); err != nil {
			bad(key, "%v", err)
		} else if strings.HasPrefix(s, ":") {
			bad(key, "%q has no host", s)
		}
	}
	if c.Secret == "" {
		bad("cluster.secret", "is empty; all nodes of a cluster share one")
	}
	if c.TLS != nil && (c.TLS.Cert == "" || c.TLS.Key == "" || c.TLS.CA == "") {
		bad("cluster.tls", "needs cert, key and ca")
	}
	if c.IsolatedFor < 0 {
		bad("cluster.isolated_for", "must not be negative")
	}
	if c.Failover != FailoverFast && c.Failover != FailoverDefault {
		bad("cluster.failover", "%q is neither fast nor default", c.Failover)
	}
}
