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

// maxCauses bounds what trouble remembers.
const maxCauses = 256

// forgetAfter is how long a cause must stay away to be news again.
const forgetAfter = time.Minute

// trouble says once what is wrong with Kafka and once that it is over, however
// many tries fail in between.
type trouble struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	seen map[string]time.Time // when a cause was last met
	ever bool                 // joined at least once
}

func newTrouble(log *slog.Logger, now func() time.Time) *trouble {
	return &trouble{log: log, now: now, seen: map[string]time.Time{}}
}

// report logs err unless its cause was met since the last join, and within the
// last minute: a cause that passes by without a new join must be told again.
func (t *trouble) report(doing string, err error) {
	key := doing + ": " + innermost(err)
	now := t.now()
	t.mu.Lock()
	last, known := t.seen[key]
	if !known && len(t.seen) >= maxCauses {
		clear(t.seen)
	}
	t.seen[key] = now
	t.mu.Unlock()
	if known && now.Sub(last) < forgetAfter {
		return
	}
	args := []any{"doing", doing, "err", err}
	if hint := hintFor(err); hint != "" {
		args = append(args, "hint", hint)
	}
	t.log.Warn("Kafka is in trouble; trying on", args...)
}

// over is called when a member has joined the group.
func (t *trouble) over(args ...any) {
	t.mu.Lock()
	was := len(t.seen) > 0
	clear(t.seen)
	first := !t.ever
	t.ever = true
	t.mu.Unlock()
	switch {
	case first || was:
		t.log.Info("joined the Kafka consumer group", args...)
	default:
		t.log.Debug("joined the Kafka consumer group again", args...)
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
