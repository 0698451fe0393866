package server

import (
	"fmt"
	"strings"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"weft/jetstream/subject"
)

// Requests to services. Whoever holds a message may answer to the subject that it names,
// and what the server itself answers is bound by no permission, so permissions cannot
// keep a subject to the nodes. A mapping of the account can: it holds for whatever comes
// from a client of this server or as a response from another account, whatever it may
// publish. So below svc. arrives only what a node has published under a prefix that is
// known to nobody else.
const (
	// askPrefix begins the subjects of a node's requests, before a token that is secret.
	askPrefix = "weft.ask."
	// refused begins the subjects that nobody hears.
	refused = "weft.refused."
	// discovery is where services are asked about themselves (NATS ADR-32).
	discovery = "$SRV.>"
	// answerWithin is how long a service may take to answer: longer than a route's
	// greatest timeout. The server remembers until then whom it may answer.
	answerWithin = 11 * time.Minute
	// maxReplies is how often a client may reply to a request, of which the first reply
	// counts. The server counts one, too, for each further subscription by which the
	// client hears the same request.
	maxReplies = 8
)

// ServiceSubject is what a node publishes so that it arrives at a subject below svc.
func (s *Server) ServiceSubject(to string) string {
	return s.own.asking + strings.TrimPrefix(to, subject.Services)
}

// servicePermissions are those of a service: it hears requests, and its own inbox, and
// publishes events, answers that come later, and replies to requests.
func servicePermissions(name, prefix string) *natsserver.Permissions {
	p := grant(append(publishSubjects(prefix), subject.AllReplies), []string{subject.AllServices, discovery, "_INBOX_" + name + ".>"})
	p.Response = &natsserver.ResponsePermission{MaxMsgs: maxReplies, Expires: answerWithin}
	return p
}

// atOnce has the server look at mappings from the first packet of a connection on: whether
// there are any it asks, before each packet, the account that the client is in by then, and
// that is the server's own until it has logged in.
var atOnce = mappings{{refused + "nothing", refused + "nobody"}}

// discoveries are what services are asked about themselves, all of them, those of a name, or
// one: who is there, what it is, what it has done. Operators ask, and clients on loopback; no
// service can be deceived by it, for there is no user in it.
var discoveries = []string{"$SRV.PING", "$SRV.PING.>", "$SRV.INFO", "$SRV.INFO.>", "$SRV.STATS", "$SRV.STATS.>"}

// exportDiscovery lets operators, who are in an account of their own, ask services.
func exportDiscovery() string {
	var list []string
	for _, s := range discoveries {
		list = append(list, fmt.Sprintf("{service: %q, accounts: [%s], response_type: stream}", s, accountControl))
	}
	return ", exports: [" + strings.Join(list, ", ") + "]"
}

// importDiscovery is the other side of exportDiscovery.
func importDiscovery() string {
	var list []string
	for _, s := range discoveries {
		list = append(list, fmt.Sprintf("{service: {account: %s, subject: %q}}", accountServices, s))
	}
	return "imports: [" + strings.Join(list, ", ") + "]"
}

// mappings of an account say where what comes under a subject goes.
type mappings []mapping

type mapping struct{ from, to string }

func (m mappings) text() string {
	var b strings.Builder
	b.WriteString("mappings: {")
	for i, one := range m {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q: %q", one.from, one.to)
	}
	b.WriteString("}")
	return b.String()
}
