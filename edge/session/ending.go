package session

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"weft/edge/problem"
)

// A Cause is why a session ends. Whatever can end one is a value of this type,
// and endings spells it for every transport; nothing else closes a connection.
type Cause uint8

// The causes.
const (
	// Left: the client went away; there is nobody to tell.
	Left Cause = iota
	// Expired: the token's time is over.
	Expired
	// Revoked: the token is on the blacklist.
	Revoked
	// Unauthorised: a refreshed token allows nothing of what the session follows. What
	// waited of that was dropped, and what is left is the answer.
	Unauthorised
	// Slow: the client did not keep up with live events.
	Slow
	// Limit: there are as many connections as the configuration allows, or as many
	// wildcards as a user or the node may follow.
	Limit
	// Disconnected: an operator ended it and it is not to come back.
	Disconnected
	// Dismissed: an operator ended it and it may come back at once.
	Dismissed
	// Draining: the node is about to stop.
	Draining
	// NotReady: the node cannot serve now.
	NotReady
	// Isolated: the node is cut off from the majority of its cluster.
	Isolated
	Causes // how many there are
)

// An Ending is how a cause is spelt.
type Ending struct {
	// Reason is the word in weft.close and the text of a WebSocket close frame.
	Reason string
	// Reconnect tells the client whether to come back.
	Reconnect bool
	// Close is the WebSocket close code (RFC 6455, section 7.4).
	Close int
	// Code is the problem that answers a long poll; "" is an answer without
	// events, with which the client polls again.
	Code problem.Code
	// Detail is the sentence of that problem.
	Detail string
	// Cut drops what is queued but answers and other frames of Weft's own: it must not
	// be seen any more, or the client does not read it.
	Cut bool
}

var endings = [Causes]Ending{
	Left:         {Reason: "left", Close: 1001, Cut: true},
	Expired:      {Reason: "expired", Reconnect: true, Close: 4401, Code: problem.TokenExpired, Detail: "the token has expired; come back with a new one"},
	Revoked:      {Reason: "revoked", Close: 4403, Code: problem.TokenRevoked, Detail: "the token was revoked", Cut: true},
	Unauthorised: {Reason: "unauthorised", Close: 4403, Code: problem.Forbidden, Detail: "the token does not allow what the connection follows"},
	Slow:         {Reason: "slow", Reconnect: true, Close: 4408, Cut: true},
	Limit:        {Reason: "limit", Reconnect: true, Close: 4429, Code: problem.Limit, Detail: "too many connections, or wildcards; come back later"},
	Disconnected: {Reason: "disconnected", Close: 4410, Code: problem.Forbidden, Detail: "the connection was ended by an operator"},
	Dismissed:    {Reason: "disconnected", Reconnect: true, Close: 4410},
	Draining:     {Reason: "drain", Reconnect: true, Close: 1012},
	NotReady:     {Reason: "not_ready", Reconnect: true, Close: 1012, Code: problem.NotReady, Detail: "the node is not ready; come back later"},
	Isolated:     {Reason: "isolated", Reconnect: true, Close: 1012, Code: problem.NotReady, Detail: "the node is cut off from its cluster; come back later"},
}

// MaxDetail bounds what an operator says of an ending, in bytes: what a close frame of a
// WebSocket has room for (RFC 6455, section 5.5).
const MaxDetail = 123

// Sayable reports whether clients can be told a text on every transport: UTF-8 of at
// most MaxDetail bytes without control characters.
func Sayable(text string) bool {
	return len(text) <= MaxDetail && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// Ending is how c is spelt.
func (c Cause) Ending() Ending { return endings[c] }

// String is the cause as a metric label and in logs.
func (c Cause) String() string {
	if c == Dismissed {
		return "dismissed"
	}
	return endings[c].Reason
}
