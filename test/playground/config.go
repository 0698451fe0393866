package main

import (
	"cmp"
	"net"
	"strconv"
	"strings"
	"time"
)

// The cast: two users, and the topic that both follow.
var users = []string{"ann", "bob"}

const (
	topicName    = "chat"
	topicSubject = "topic." + topicName
	topicType    = "chat.message"
)

// keepalive is the node's: short, so that one sees what comes of a network that stalls.
const keepalive = 4 * time.Second

// States of an order; the type of the event is order.<state>.
var states = []string{"placed", "paid", "shipped", "delivered"}

// A nodeConfig is what the configuration of a node says.
type nodeConfig struct {
	name    string
	dataDir string
	// addrs are the node's own, and those of page and broker.
	addrs   addresses
	secret  string         // signs tokens
	life    time.Duration  // of a page's tokens; 0: as usual
	cluster *clusterConfig // nil for a standalone node
}

// A clusterConfig is what a node of several needs to know in addition.
type clusterConfig struct {
	listen string
	seeds  []string
	secret string
}

// String writes the file, with the JSON form of strings, which is valid YAML.
func (c nodeConfig) String() string {
	q := strconv.Quote
	_, port, _ := net.SplitHostPort(c.addrs.Page)
	origins := "[" + q("http://"+c.addrs.Page) + ", " + q("http://localhost:"+port) + "]"
	lines := []string{
		"# Made by the playground. Try it: weft serve --config this-file",
		"node:",
		"  name: " + c.name,
		"  data_dir: " + q(c.dataDir),
		"  listen: " + c.addrs.NATS,
		"public:",
		"  listen: " + c.addrs.Public,
		"  # The page comes from another port, which to a browser is another origin.",
		"  cors_origins: " + origins,
		"  # A page that hears nothing for two and a half of these gives the connection up.",
		"  keepalive: " + keepalive.String(),
	}
	lines = append(lines, c.goodbye()...)
	lines = append(lines,
		"admin:",
		"  listen: "+c.addrs.Admin,
		"auth:",
		"  # Tokens of a page live for seconds here, so that one sees them replaced; this is less.",
		"  warn_before: "+c.warnBefore().String(),
		"  issuers:",
		"    - issuer: playground",
		"      keys: [{alg: HS256, secret: "+q(c.secret)+"}]",
		"  # Every connection gets its user's inbox, and may ask for the shared topic.",
		`  subscribe: ["user.{/sub}"]`,
		"  allow: ["+strings.Join(c.allowed(), ", ")+"]",
		"  # Whoever opens the page of the hotel has no token, and sees its bookings and",
		"  # how many look at it.",
		"  anonymous: {allow: ["+q(hotelSubject)+", "+q("presence."+hotelSubject)+"]}",
		"kafka:",
		"  brokers: ["+q(c.addrs.Kafka)+"]",
		"  sources:",
		"    - topic: "+kafkaOrders,
		`      to: ["user.{/customer/id}"]`,
		"      type: order.{/state}",
		"    - topic: "+kafkaChat,
		"      to: ["+q(topicSubject)+"]",
		"      type: "+topicType,
	)
	if c.addrs.Shop != "" {
		lines = append(lines, routeLines(origins, c.addrs.Shop)...)
	}
	lines = append(lines, "")
	return strings.Join(lines, "\n")
}

// allowed is what a user may follow beside the inbox. On the page of a cluster that is who of
// the user is there, which says at which node.
func (c nodeConfig) allowed() []string {
	all := []string{strconv.Quote(topicSubject)}
	if c.cluster != nil {
		all = append(all, `"presence.{/sub}"`, `"presence.devices"`)
	}
	return all
}

// warnBefore is how long before the end of its token a connection is told. It has to be less
// than a token's life, or each new one would be one to replace at once.
func (c nodeConfig) warnBefore() time.Duration { return cmp.Or(c.life, shortLife) / 3 }

// goodbye is about how the node leaves, and the cluster that it leaves behind.
func (c nodeConfig) goodbye() []string {
	if c.cluster == nil {
		return []string{
			"  # Ctrl-C should not wait: there is no other node to spread the goodbyes for.",
			"  drain_window: 0s",
		}
	}
	seeds := make([]string, len(c.cluster.seeds))
	for i, s := range c.cluster.seeds {
		seeds[i] = strconv.Quote(s)
	}
	return []string{
		"  # A node that stops first lets the load balancer notice, which asks twice a",
		"  # second, and then sends its clients to the others, spread over the window.",
		"  drain_delay: 1s",
		"  drain_window: 2s",
		"cluster:",
		"  size: " + strconv.Itoa(len(seeds)),
		"  listen: " + c.cluster.listen,
		"  seeds: [" + strings.Join(seeds, ", ") + "]",
		"  secret: " + strconv.Quote(c.cluster.secret),
		"events:",
		"  # Room for what the stream of events brings while a node, or all, are down.",
		"  max_per_subject: 10000",
	}
}

// masked hides the secrets, so that the page can show the rest.
func (c nodeConfig) masked() string {
	c.secret = "…"
	if c.cluster != nil {
		of := *c.cluster
		of.secret = "…"
		c.cluster = &of
	}
	return c.String()
}
