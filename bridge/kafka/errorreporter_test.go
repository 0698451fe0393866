package kafka

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

func TestAnErrorIsReportedOncePerCauseUntilAMemberHasJoined(t *testing.T) {
	var book strings.Builder
	log := slog.New(slog.NewTextHandler(&book, nil))
	now := time.Now()
	r := newErrorReporter(log, func() time.Time { return now })
	for port := range 50 { // only the local port differs
		r.report("connect", sarama.Wrap(sarama.ErrOutOfBrokers, &net.OpError{Op: "dial", Net: "tcp",
			Source: &net.TCPAddr{Port: 40000 + port}, Err: errors.New("connection refused")}))
		now = now.Add(time.Second)
	}
	if n := strings.Count(book.String(), "trouble"); n != 1 {
		t.Fatalf("%d lines", n)
	}
	r.report("connect", io.EOF)
	if n := strings.Count(book.String(), "trouble"); n != 2 {
		t.Fatalf("%d lines after a new cause", n)
	}
	r.joined()
	r.report("connect", io.EOF)
	if n := strings.Count(book.String(), "trouble"); n != 3 {
		t.Fatalf("%d lines after it was over", n)
	}
	now = now.Add(forgetAfter)
	r.report("connect", io.EOF)
	if n := strings.Count(book.String(), "trouble"); n != 4 {
		t.Fatalf("%d lines after it stayed away", n)
	}
}

func TestAnErrorComesWithAHint(t *testing.T) {
	for want, err := range map[string]error{
		"kafka.sasl.password":  sarama.Wrap(sarama.ErrOutOfBrokers, sarama.ErrSASLAuthenticationFailed),
		"kafka.sasl.mechanism": sarama.ErrUnsupportedSASLMechanism,
		"ACLs":                 fmt.Errorf("x: %w", sarama.ErrTopicAuthorizationFailed),
		"kafka.tls.ca":         sarama.Wrap(sarama.ErrOutOfBrokers, x509.UnknownAuthorityError{}),
		"is Kafka running":     sarama.ErrOutOfBrokers,
		"kafka.sasl and":       sarama.Wrap(sarama.ErrOutOfBrokers, io.EOF),
	} {
		if got := hintFor(err); !strings.Contains(got, want) {
			t.Errorf("%v: %q", err, got)
		}
	}
}
