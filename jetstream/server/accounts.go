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
// can reach, all its clients can, and nothing crosses from one to another, but for the
// buckets that clients on loopback use without being asked who they are (buckets.go), and
// for what operators ask services about themselves (services.go).
// What publishers send is carried over by an ingress, which reads it on one side and
// stores it as the node on the other.
const (
	// accountNodes is for nodes only: the stream EVENTS, the delivery copies, ticks,
	// calls between nodes, the bucket nodes. Its name is that of a folder.
	accountNodes = "WEFT"
	// accountControl has a store of its own with the buckets blacklist and routes.
	// Operators use it, nodes over a connection of their own.
	accountControl = "CONTROL"
	// accountServices is where requests go and answers come from, all over the cluster:
	// services are in it, and clients on loopback when no users are configured. It has
	// no store, and what anybody but a node publishes below svc. goes nowhere.
	accountServices = "SERVICE"
	accountSystem   = "SYS"
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
	// ServiceUser is among the services, with the rights of a node.
	ServiceUser = "weft-service"
	// SystemUser asks servers about themselves.
	SystemUser = "weft-system"
	// localUser is whoever connects on loopback when no users are configured.
	localUser = "weft-local"
	// ingressUser begins the names under which the node reads what publishers send.
	ingressUser = "weft-ingress-"
	// services stands for all users with that role: in their account nobody can tell
	// which of them has sent something.
	services = "weft-services"
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
	shared := Publisher{Account: accountServices}
	if s.cfg.Cluster != nil {
		shared.Prefix = "weft.in." + s.token + "."
	}
	for _, u := range s.cfg.Node.Users {
		switch u.Role {
		case RolePublisher:
			list = append(list, Publisher{Name: u.Name, User: u.Name, password: u.Password, Account: accountPublish + "." + s.token + "." + tokenOf(u.Name),
				Reader: ingressUser + u.Name})
		case RoleService:
			shared.Name, shared.User, shared.Reader = services, services, ingressUser+services
		}
	}
	if len(s.cfg.Node.Users) == 0 {
		shared.Name, shared.Reader = localUser, ingressUser+"local"
	}
	if shared.Name != "" {
		list = append(list, shared)
	}
	return list
}

// configureAccounts adds accounts and users to the options; password is that of the
// node's own, and asking what the node's requests begin with. A store must be there
// for its account before the server hears of any stream in the cluster: of a
// stream that it then cannot open it deletes the log of its copy. What can be
// called once the server runs comes too late, and only the text of a configuration
// comes before.
func configureAccounts(opts *natsserver.Options, cfg *Config, publishers []Publisher, own ownAccess) error {
	store := "jetstream: disabled"
	if opts.JetStream {
		store = "jetstream: enabled"
	}
	// No stream but the two buckets has a place among the operators.
	buckets := strings.Replace(store, "enabled", fmt.Sprintf("{ max_streams: %d }", len(cfg.Buckets)), 1)
	shared := mappings{
		{own.asking + ">", subject.AllServices},
		{subject.AllServices, refused + subject.AllServices},
	}
	buckets += ", " + importDiscovery() + ", " + writeMappings(cfg.Buckets, writesTo(tokenOf(cfg.Node.Name)), own.writing).text()
	crossing := exportDiscovery()
	var text strings.Builder
	fmt.Fprintf(&text, "%s\naccounts {\n%s: { %s }\n%s: {}\n", atOnce.text(), accountNodes, store, accountSystem)
	for _, p := range publishers {
		if p.Account != accountServices {
			fmt.Fprintf(&text, "%q: {}\n", p.Account)
			continue
		}
		if p.Prefix != "" {
			for _, to := range publishSubjects("") {
				shared = append(shared, mapping{to, p.Prefix + to})
			}
		}
		if p.Name == localUser {
			crossing += importBuckets(cfg.Buckets)
			buckets += ", " + exportBuckets(cfg.Buckets)
		}
	}
	fmt.Fprintf(&text, "%s: { %s%s }\n%s: { %s }\n}\n", accountServices, shared.text(), crossing, accountControl, buckets)
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
	add(NodeUser, own.password, accountNodes, nil)
	add(ControlUser, own.password, accountControl, nil)
	add(ServiceUser, own.password, accountServices, nil)
	add(SystemUser, own.password, accountSystem, nil)
	prefix := ""
	for _, p := range publishers {
		add(p.Reader, own.password, p.Account, nil)
		switch {
		case p.Name == localUser:
			add(localUser, rand.Text(), p.Account, localPermissions(p, cfg.Buckets))
			opts.NoAuthUser = localUser
		case p.Account == accountServices:
			prefix = p.Prefix
		default:
			add(p.Name, p.password, p.Account, publisherPermissions(p))
		}
	}
	for _, u := range cfg.Node.Users {
		switch u.Role {
		case RoleOperator:
			add(u.Name, u.Password, accountControl, operatorPermissions(u.Name, cfg.Buckets, writesTo(tokenOf(cfg.Node.Name))))
		case RoleService:
			add(u.Name, u.Password, accountServices, servicePermissions(u.Name, prefix))
		}
	}
	return nil
}

// ownAccess is how the node uses its own server; it never leaves the machine.
type ownAccess struct {
	password string // of the node's own users
	asking   string // begins the subjects of its requests to services
	writing  string // begins those of what it writes into buckets
}

// isOwnUser reports whether a name is that of a user of the node itself.
func isOwnUser(name string) bool {
	return strings.HasPrefix(name, ingressUser) || slices.Contains([]string{NodeUser, ControlUser, ServiceUser, SystemUser, localUser, services}, name)
}

// tokenOf is a name as a subject token.
func tokenOf(name string) string {
	t, err := subject.Escape(name)
	if err != nil {
		return "node" // a host name that long is cut by no system, another one is refused by Check
	}
	return t
}
