package main

import (
	"net"
	"strconv"
	"strings"
)

// The cast: two users, and the topic that both follow.
var users = []string{"ann", "bob"}

const (
	topicName    = "chat"
	topicSubject = "topic." + topicName
	topicType    = "chat.message"
)

// States of an order; the type of the event is order.<state>.
var states = []string{"placed", "paid", "shipped", "delivered"}

// nodeConfig writes the configuration of the Weft node, with the JSON form of
// strings, which is valid YAML.
func nodeConfig(a addresses, dataDir, secret string) string {
	q := strconv.Quote
	_, port, _ := net.SplitHostPort(a.Page)
	return strings.Join([]string{
		"# Made by the playground. Try it: weft serve --config this-file",
		"node:",
		"  name: playground",
		"  data_dir: " + q(dataDir),
		"  listen: " + a.NATS,
		"public:",
		"  listen: " + a.Public,
		"  # The page comes from another port, which to a browser is another origin.",
		"  cors_origins: [" + q("http://"+a.Page) + ", " + q("http://localhost:"+port) + "]",
		"  # An EventSource cannot send headers, so it brings its token in the query.",
		"  # Behind one's own domain the cookie weft_token is the better way.",
		"  token_in_query: true",
		"  # Ctrl-C should not wait: there is no other node to spread the goodbyes for.",
		"  drain_window: 0s",
		"admin:",
		"  listen: " + a.Admin,
		"auth:",
		"  issuers:",
		"    - issuer: playground",
		"      keys: [{alg: HS256, secret: " + q(secret) + "}]",
		"  # Every connection gets its user's inbox, and may ask for the shared topic.",
		`  subscribe: ["user.{/sub}"]`,
		"  allow: [" + q(topicSubject) + "]",
		"kafka:",
		"  brokers: [" + q(a.Kafka) + "]",
		"  sources:",
		"    - topic: " + kafkaOrders,
		`      to: ["user.{/customer/id}"]`,
		"      type: order.{/state}",
		"    - topic: " + kafkaChat,
		"      to: [" + q(topicSubject) + "]",
		"      type: " + topicType,
		"",
	}, "\n")
}

// maskSecret hides the signing secret, so that the page can show the rest.
func maskSecret(config, secret string) string {
	return strings.ReplaceAll(config, secret, "…")
}
