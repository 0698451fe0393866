package server

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"weft/jetstream/subject"
)

// Accounts are the walls between those who use the NATS port, one for each kind of
// trust. The server checks what a client publishes to, but not the reply subject
// it names: there it answers with the rights of the account. So what an account
// can reach, all its clients can, and nothing crosses from one to another: there
// are no imports and no exports. What publishers send is carried over by an
// ingress, which reads it on one side and stores it as the node on the other.
const (
	// accountNodes is for nodes only: the stream EVENTS, the delivery copies, ticks,
	// calls between nodes, the bucket nodes. Its name is that of a folder.
	accountNodes = "WEFT"
	// accountControl has a store of its own with the buckets blacklist and routes.
	// Operators use it, nodes over a connection of their own.
	accountControl = "CONTROL"
	accountSystem  = "SYS"
	// accountPublish begins the names of the publishers' accounts. Each has one for
	// itself, on this node only.
	accountPublish = "PUBLISH"
)

// Users of the node itself, of which each is in an account.
const (
	// NodeUser is in the account of the nodes: events, delivery copies, calls.
	NodeUser = "weft-node"
	// ControlUser is among the operators, with the rights of a node.
	ControlUser = "weft-control"
	// SystemUser asks servers about themselves.
	SystemUser = "weft-system"
	// localUser is whoever connects on loopback when no users are configured.
	localUser = "weft-local"
	// ingressUser begins the names under which the node reads what publishers send.
	ingressUser = "weft-ingress-"
)

// A Publisher is somebody whose messages an ingress takes.
type Publisher struct {
	Name    string // of the user, or localUser
	User    string // of the user, in message ids; "" for a local client
	Account string
	Reader  string // the user under which the node reads them
	// password is the user's; a local client needs none.
	password string
	// Prefix is put before the subjects of messages by the account, so that of
	// several nodes only that takes them which they were sent to. An account that
	// is on one node has none.
	Prefix string
}

// Publishers are those that the configuration lets publish.
func (s *Server) Publishers() []Publisher {
	var list []Publisher
	for _, u := range s.cfg.Node.Users {
		if u.Role == RolePublisher {
			list = append(list, Publisher{Name: u.Name, User: u.Name, password: u.Password, Account: accountPublish + "." + s.token + "." + tokenOf(u.Name),
				Reader: ingressUser + u.Name})
		}
	}
	if len(s.cfg.Node.Users) == 0 {
		local := Publisher{Name: localUser, Account: accountControl, Reader: ingressUser + "local"}
		if s.cfg.Cluster != nil {
			local.Prefix = "weft.in." + s.token + "."
		}
		list = append(list, local)
	}
	return list
}

// configureAccounts adds accounts and users to the options; password is that of the
// node's own. A store must be there
// for its account before the server hears of any stream in the cluster: of a
// stream that it then cannot open it deletes the log of its copy. What can be
// called once the server runs comes too late, and only the text of a configuration
// comes before.
func configureAccounts(opts *natsserver.Options, cfg *Config, publishers []Publisher, password string) error {
	store := "jetstream: disabled"
	if opts.JetStream {
		store = "jetstream: enabled"
	}
	// No stream but the two buckets has a place among the operators.
	buckets := strings.Replace(store, "enabled", fmt.Sprintf("{ max_streams: %d }", len(cfg.Buckets)), 1)
	var text strings.Builder
	fmt.Fprintf(&text, "accounts {\n%s: { %s }\n%s: {}\n", accountNodes, store, accountSystem)
	for _, p := range publishers {
		mapping := ""
		if p.Prefix != "" {
			mapping = fmt.Sprintf("mappings: { %q: %q, %q: %q }",
				subject.AllUsers, p.Prefix+subject.AllUsers, subject.AllTopics, p.Prefix+subject.AllTopics)
		}
		if p.Account == accountControl {
			buckets += ", " + mapping
			continue
		}
		fmt.Fprintf(&text, "%q: { %s }\n", p.Account, mapping)
	}
	fmt.Fprintf(&text, "%s: { %s }\n}\n", accountControl, buckets)
	if err := opts.ProcessConfigString(text.String()); err != nil {
		return fmt.Errorf("configure accounts: %w", err)
	}
	accounts := map[string]*natsserver.Account{}
	for _, a := range opts.Accounts {
		accounts[a.Name] = a
	}
	add := func(name, password, account string, p *natsserver.Permissions) {
		opts.Users = append(opts.Users, &natsserver.User{Username: name, Password: password, Account: accounts[account], Permissions: p})
	}
	add(NodeUser, password, accountNodes, nil)
	add(ControlUser, password, accountControl, nil)
	add(SystemUser, password, accountSystem, nil)
	for _, p := range publishers {
		add(p.Reader, password, p.Account, nil)
		if p.Name != localUser {
			add(p.Name, p.password, p.Account, publisherPermissions(p))
			continue
		}
		add(localUser, rand.Text(), p.Account, localPermissions(p, cfg.Buckets))
		opts.NoAuthUser = localUser
	}
	for _, u := range cfg.Node.Users {
		if u.Role == RoleOperator {
			add(u.Name, u.Password, accountControl, operatorPermissions(cfg.Buckets))
		}
	}
	return nil
}

// isOwnUser reports whether a name is that of a user of the node itself.
func isOwnUser(name string) bool {
	return strings.HasPrefix(name, ingressUser) || slices.Contains([]string{NodeUser, ControlUser, SystemUser, localUser}, name)
}

// tokenOf is a name as a subject token.
func tokenOf(name string) string {
	t, err := subject.Escape(name)
	if err != nil {
		return "node" // a host name that long is cut by no system, another one is refused by Check
	}
	return t
}
