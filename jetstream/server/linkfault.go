package server

import (
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// faultEvery is how often the same cause is logged for the same host.
	faultEvery = time.Minute
	// faultFresh is for how long a cause counts as the one that holds: nodes
	// try once a second.
	faultFresh = 5 * time.Second
	// maxFaults bounds how many causes and hosts are remembered.
	maxFaults = 256
	// vagueFaults is how often a link must end for no known reason before that
	// is told: once or twice is a node that just goes.
	vagueFaults = 3
)

// A linkFault is why this node and another do not link.
type linkFault struct {
	kind  string // the same whatever the numbers and names are
	cause string // for an operator
	peer  string // address
	vague bool   // the cause is a guess
}

// linkFaults tells why links are refused, once per cause and host and minute.
// The embedded server says it for each try, and only to whoever knows its code.
type linkFaults struct {
	log  *slog.Logger
	name string // of this node

	mu     sync.Mutex
	called []string // addresses that this node calls by itself
	told   map[string]*faultCount
	last   linkFault
	heard  time.Time
}

type faultCount struct {
	since, told time.Time
	n           int
}

func newLinkFaults(node string, log *slog.Logger) *linkFaults {
	return &linkFaults{log: log, name: node, told: make(map[string]*faultCount)}
}

// hear looks whether a message of the server is about a refused link.
func (f *linkFaults) hear(text string) bool {
	fault, ok := parseLinkFault(text, f.name)
	if ok && fault.kind != "" {
		f.note(fault)
	}
	return ok
}

// note remembers a fault, and logs it if it is new or has not been told for
// long.
func (f *linkFaults) note(fault linkFault) {
	host, _, err := net.SplitHostPort(fault.peer)
	if err != nil {
		host = fault.peer
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault.vague && !slices.Contains(f.called, fault.peer) {
		return // two nodes that call each other let one of the links go
	}
	key := fault.kind + " " + host
	c := f.told[key]
	if c == nil || now.Sub(c.since) > faultEvery {
		f.forgetLocked(now)
		if len(f.told) >= maxFaults {
			return // so many at once are told enough
		}
		c = &faultCount{since: now}
		f.told[key] = c
	}
	if c.n++; fault.vague && c.n < vagueFaults {
		return
	}
	// What is known for sure goes before a guess.
	if !fault.vague || f.last.vague || now.Sub(f.heard) > faultFresh {
		f.last, f.heard = fault, now
	}
	if c.told.IsZero() {
		c.told = now
		f.log.Warn("no link to a node: "+fault.cause, "address", fault.peer)
	}
}

// calls says which addresses the node calls by itself from now on.
func (f *linkFaults) calls(addrs []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.called = addrs
}

func (f *linkFaults) forgetLocked(now time.Time) {
	for key, c := range f.told {
		if now.Sub(c.since) > faultEvery {
			delete(f.told, key)
		}
	}
}

// because is the cause that holds at the moment, to be put behind a sentence;
// "" when none is known.
func (f *linkFaults) because() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.heard.IsZero() || time.Since(f.heard) > faultFresh {
		return ""
	}
	return fmt.Sprintf("; no link to %s: %s", f.last.peer, f.last.cause)
}

var (
	aboutLink = regexp.MustCompile(`^(\S+) - rid:\d+ - (.*)$`)
	twoNames  = regexp.MustCompile(`Rejecting connection, cluster name "([^"]*)" does not match "([^"]*)"`)
)

// parseLinkFault reads a message of nats-server 2.15 about a link that was not
// made. A fault without a kind is one that another message tells better. Both
// sides log; which words come to which side depends on who called.
func parseLinkFault(text, self string) (linkFault, bool) {
	parts := aboutLink.FindStringSubmatch(text)
	if parts == nil {
		return linkFault{}, false
	}
	fault := linkFault{peer: parts[1]}
	say := func(kind, format string, args ...any) (linkFault, bool) {
		fault.kind, fault.cause = kind, fmt.Sprintf(format, args...)
		return fault, true
	}
	said := parts[2]
	if handshake, ok := strings.CutPrefix(said, "TLS route handshake error: "); ok {
		return say(handshakeFault(handshake))
	}
	switch {
	case strings.HasPrefix(said, "authentication error - User"):
		return say("secret", "its cluster.secret is another one than this node's")
	case strings.HasPrefix(said, "authentication error"):
		return say("login", "it does not log in as a node; its cluster.tls may be set where this node's is not")
	case strings.HasPrefix(said, "Route Error 'Authorization Violation'"):
		return say("secret", "it refuses this node: its cluster.secret is another one")
	case twoNames.MatchString(said):
		names := twoNames.FindStringSubmatch(said)
		if strings.HasPrefix(said, "Route Error") { // its answer to us: our name first
			names[1], names[2] = names[2], names[1]
		}
		return say("name", "its cluster.name is %q, this node's is %q", names[1], names[2])
	case strings.HasPrefix(said, "cluster name from remote server conflicts"):
		return fault, true
	case strings.HasPrefix(said, "Router connection closed: Cluster Name Conflict"):
		return say("name", "its cluster.name is another one than this node's")
	case strings.HasPrefix(said, "Remote server has a duplicate name"),
		strings.HasPrefix(said, "Router connection closed: ") && strings.HasSuffix(said, "- Remote: "+self):
		return say("twin", "it has this node's own name, %q; give each node its own node.name", self)
	case said == "TLS handshake timeout":
		return say("handshake", "the TLS handshake took too long")
	case said == "Router connection closed: Read Error", said == "Router connection closed: Client Closed":
		fault.vague = true
		return say("closed", "it ends the link before it is made; it may refuse this node's certificate, or only one of both has cluster.tls; its log says more")
	}
	return linkFault{}, false
}

// handshakeFault says what an error of package tls, or of linkTLS, means for a
// link.
func handshakeFault(said string) (kind, format string, arg any) {
	if refusal, ok := strings.CutPrefix(said, "remote error: tls: "); ok {
		return "refused", "it refuses this node's certificate, or shows that it wants one (%s)", refusal
	}
	switch {
	case strings.Contains(said, "first record does not look like a TLS handshake"):
		return "plain", "it does not speak TLS; set %s there, too", "cluster.tls"
	case strings.Contains(said, "client didn't provide a certificate"):
		return "nameless", "it shows no certificate; set %s there, too", "cluster.tls"
	case strings.HasPrefix(said, "the certificate "):
		fault := strings.TrimPrefix(said, "the certificate ")
		return fault[:min(len(fault), 10)], "its certificate %s", fault
	}
	return "handshake", "the TLS handshake failed: %s", said
}
