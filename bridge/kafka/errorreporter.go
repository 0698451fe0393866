package kafka

import (
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// maxCauses bounds what a reporter remembers.
const maxCauses = 256

// forgetAfter is how long a cause must stay away to be news again.
const forgetAfter = time.Minute

// An errorReporter says once what is wrong with Kafka and once that it is over, however
// many tries fail in between.
type errorReporter struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	seen map[string]time.Time // when a cause was last met
	ever bool                 // joined at least once
}

func newErrorReporter(log *slog.Logger, now func() time.Time) *errorReporter {
	return &errorReporter{log: log, now: now, seen: map[string]time.Time{}}
}

// report logs err unless its cause was met since the last join, and within the
// last minute: a cause that passes by without a new join must be told again.
func (r *errorReporter) report(doing string, err error) {
	key := doing + ": " + innermost(err)
	now := r.now()
	r.mu.Lock()
	last, known := r.seen[key]
	if !known && len(r.seen) >= maxCauses {
		clear(r.seen)
	}
	r.seen[key] = now
	r.mu.Unlock()
	if known && now.Sub(last) < forgetAfter {
		return
	}
	args := []any{"doing", doing, "err", err}
	if hint := hintFor(err); hint != "" {
		args = append(args, "hint", hint)
	}
	r.log.Warn("Kafka is in trouble; trying on", args...)
}

// joined is called when a member has joined the group.
func (r *errorReporter) joined(args ...any) {
	r.mu.Lock()
	was := len(r.seen) > 0
	clear(r.seen)
	first := !r.ever
	r.ever = true
	r.mu.Unlock()
	switch {
	case first || was:
		r.log.Info("joined the Kafka consumer group", args...)
	default:
		r.log.Debug("joined the Kafka consumer group again", args...)
	}
}

// innermost is the text of the cause without the changing parts that wrap it,
// such as local ports.
func innermost(err error) string {
	for {
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if next := e.Unwrap(); next != nil {
				err = next
				continue
			}
		case interface{ Unwrap() []error }:
			if list := e.Unwrap(); len(list) > 0 {
				err = list[len(list)-1]
				continue
			}
		}
		return err.Error()
	}
}

func isAuthentication(err error) bool {
	return errors.Is(err, sarama.ErrSASLAuthenticationFailed) || errors.Is(err, sarama.ErrUnsupportedSASLMechanism) ||
		errors.Is(err, sarama.ErrIllegalSASLState)
}

// hintFor guesses what the operator should look at.
func hintFor(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed):
		return "the broker refuses the credentials: check kafka.sasl.user and kafka.sasl.password"
	case errors.Is(err, sarama.ErrUnsupportedSASLMechanism):
		return "the broker does not know this way to log in: check kafka.sasl.mechanism"
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed), errors.Is(err, sarama.ErrGroupAuthorizationFailed):
		return "the user may not read this topic or use this group: check the broker's ACLs and kafka.group"
	case errors.Is(err, sarama.ErrInconsistentGroupProtocol):
		return "the group has members that balance in another way: stop them, or choose another kafka.group"
	case errors.Is(err, sarama.ErrInvalidSessionTimeout):
		return "the broker does not allow this kafka.session_timeout"
	case errors.As(err, &unknown), errors.As(err, &host):
		return "the broker's certificate is not trusted: check kafka.tls.ca and the names in kafka.brokers"
	case errors.Is(err, io.EOF):
		return "the broker ends the connection: check kafka.sasl and kafka.tls"
	case errors.Is(err, sarama.ErrOutOfBrokers):
		return "is Kafka running, and are kafka.brokers, kafka.tls and kafka.sasl what it expects?"
	}
	return ""
}
