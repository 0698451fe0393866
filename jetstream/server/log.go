package server

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"weft/jetstream/ratelog"
)

// serverLog passes the embedded server's log on, in our words where it has
// something to say to an operator. The server's notices are our details.
type serverLog struct {
	log *slog.Logger
	// limited is for what whoever reaches a port can cause.
	limited *ratelog.Log
	faults  *linkFaults
	fatal   chan<- string
}

func (l *serverLog) Noticef(f string, v ...any) {
	text := fmt.Sprintf(f, v...)
	l.faults.hear(text)
	l.log.Debug(text)
}
func (l *serverLog) Debugf(f string, v ...any) {}
func (l *serverLog) Tracef(f string, v ...any) {}
func (l *serverLog) Warnf(f string, v ...any)  { l.write(slog.LevelWarn, f, v...) }
func (l *serverLog) Errorf(f string, v ...any) { l.write(slog.LevelError, f, v...) }

func (l *serverLog) Fatalf(f string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(f, v...):
	default:
	}
}

// details recognise what the server warns of and what is no trouble of an
// operator.
var details = regexp.MustCompile(strings.Join([]string{
	// The node's own password is random and stays in the process; the others
	// come from our file.
	`^Plaintext passwords detected`,
	// Each try; which nodes are linked is logged when it changes.
	`^Error trying to connect to route`,
	`^\S+ - rid:\d+ - Error flushing`,
	// The certificates of nodes are checked, by linkTLS.
	`^TLS certificate chain and hostname of solicited routes will not be verified`,
	// What a start waits for is what Ready says.
	`^Waiting for routing to be established`,
	`^JetStream has not established contact with a meta leader`,
	// After every crash; it mends itself.
	`TTL state is outdated`,
	`^Filestore \[\S+\] (Stream state outdated|Recovering stream state from index errored)`,
	// The answers to our own questions whether the replicas are current.
	`^JetStream (stream|consumer) '.*' is not current`,
	`^RAFT .*([Ff]alling behind in health check|Health check OK)`,
	// How the nodes agree again after one was away.
	`^RAFT .*(Detected another leader|[Ww]ill reset|Resetting WAL|replaying snapshot|Request from follower|Canceling catchup|Error storing entry to WAL: raft: |Expected first catchup entry)`,
	`^Metalayer (blocking|async) snapshot`,
}, "|"))

// write logs what the server says, as grave as it is for us.
func (l *serverLog) write(level slog.Level, f string, v ...any) {
	text := fmt.Sprintf(f, v...)
	switch {
	case details.MatchString(text):
		level = slog.LevelDebug
	case l.faults.hear(text):
		level = slog.LevelDebug // told in our words, and not for every try
	case fromPeer.MatchString(text):
		// What a client does wrong is no trouble of ours, and what it sent is
		// nobody's business.
		text, _, _ = strings.Cut(text, ", proto=")
		text, _, _ = strings.Cut(text, " proto=")
		l.limited.Warn(causeOf(text), text)
		return
	}
	l.log.Log(context.Background(), level, text)
}

// fromPeer recognises messages that begin with the address of a client or a
// node.
var fromPeer = regexp.MustCompile(`^\S+ - [cr]id:\d+ - `)

// causes are words by which a cause is known of what the server says of a client or a
// node.
var causes = []string{"authentication error", "Authorization", "Authentication Timeout", "Publish Violation", "Subscription Violation",
	"Reply", "Maximum", "maximum", "TLS handshake error", "Slow Consumer", "Parser", "Stale"}

// causeOf is the cause of such a message: one of a few.
func causeOf(text string) string {
	for _, word := range causes {
		if strings.Contains(text, word) {
			return word
		}
	}
	return "client"
}
