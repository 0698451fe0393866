package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"weft/config"
)

// linkTLS makes both sides of a link show a certificate and checks it: it must
// come from cluster.tls.ca, be good for servers and for clients, and be for a
// host of cluster.seeds or share a name with this node's own. A node is called
// at whatever address it is heard of, so that the address says nothing.
//
// The node's certificate is read again when its file changes. Methods may be
// called concurrently.
type linkTLS struct {
	files config.TLSFiles
	log   *slog.Logger
	pool  *x509.CertPool
	hosts []string // of the seeds

	mu   sync.Mutex
	cert *tls.Certificate
	read time.Time // modification time of the certificate's file
}

// newLinkTLS reads the files. It fails when the node's own certificate is one
// that no other node would accept.
func newLinkTLS(files config.TLSFiles, seeds []string, log *slog.Logger) (*linkTLS, error) {
	pool, err := config.ReadPool("cluster.tls.ca", files.CA)
	if err != nil {
		return nil, err
	}
	l := &linkTLS{files: files, log: log, pool: pool}
	for _, s := range seeds {
		if host, _, err := net.SplitHostPort(s); err == nil {
			l.hosts = append(l.hosts, host)
		}
	}
	if err := l.load(); err != nil {
		return nil, err
	}
	rest := make([]*x509.Certificate, 0, len(l.cert.Certificate))
	for _, der := range l.cert.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read cluster.tls.cert: %w", err)
		}
		rest = append(rest, c)
	}
	if err := l.check(l.cert.Leaf, rest); err != nil {
		return nil, fmt.Errorf("check cluster.tls.cert, as the other nodes will: %w", err)
	}
	return l, nil
}

func (l *linkTLS) config() *tls.Config {
	return &tls.Config{
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return l.own(), nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return l.own(), nil },
		// Both sides check in VerifyConnection, alike and in words of ours, and
		// not by the address alone.
		VerifyConnection:   l.verify,
		ClientAuth:         tls.RequireAnyClientCert,
		ClientCAs:          l.pool,
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS13,
	}
}

// own is the node's certificate as it is in the file now, or was when it could
// last be read.
func (l *linkTLS) own() *tls.Certificate {
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := os.Stat(l.files.Cert)
	if err != nil || info.ModTime().Equal(l.read) {
		return l.cert
	}
	if err := l.load(); err != nil {
		l.read = info.ModTime() // said once
		l.log.Error("the certificate for links has changed and cannot be used; the one before is", "err", err)
	} else {
		l.log.Info("certificate for links read again", "file", l.files.Cert, "until", l.cert.Leaf.NotAfter)
	}
	return l.cert
}

func (l *linkTLS) load() error {
	info, err := os.Stat(l.files.Cert)
	if err != nil {
		return fmt.Errorf("read cluster.tls.cert: %w", err)
	}
	cert, err := tls.LoadX509KeyPair(l.files.Cert, l.files.Key)
	if err != nil {
		return fmt.Errorf("read cluster.tls.cert and cluster.tls.key: %w", err)
	}
	l.cert, l.read = &cert, info.ModTime()
	return nil
}

// verify checks the other side's certificate, whoever called.
func (l *linkTLS) verify(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("it shows no certificate") // Go's handshake says so before
	}
	leaf := cs.PeerCertificates[0]
	if err := l.check(leaf, cs.PeerCertificates[1:]); err != nil {
		return err
	}
	own := l.own().Leaf
	names := append(append([]string{}, l.hosts...), own.DNSNames...)
	for _, ip := range own.IPAddresses {
		names = append(names, ip.String())
	}
	for _, name := range names {
		if leaf.VerifyHostname(name) == nil {
			return nil
		}
	}
	return fmt.Errorf("the certificate is for none of the hosts of cluster.seeds and shares no name with this node's, but is for %s", strings.Join(namesOf(leaf), ", "))
}

// check looks where a certificate comes from, what it is good for, and when.
func (l *linkTLS) check(leaf *x509.Certificate, rest []*x509.Certificate) error {
	between := x509.NewCertPool()
	for _, c := range rest {
		between.AddCert(c)
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: l.pool, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{use}})
		if err != nil {
			return certificateFault(err)
		}
	}
	return nil
}

// certificateFault says in an operator's words what is wrong with a
// certificate.
func certificateFault(err error) error {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		switch invalid.Reason {
		case x509.Expired:
			if c := invalid.Cert; time.Now().Before(c.NotBefore) {
				return fmt.Errorf("the certificate is not valid before %s", c.NotBefore.Format(time.RFC3339))
			}
			return fmt.Errorf("the certificate expired on %s", invalid.Cert.NotAfter.Format(time.RFC3339))
		case x509.IncompatibleUsage:
			return errors.New("the certificate must be good for servers and for clients (extended key usage)")
		}
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return errors.New("the certificate does not come from cluster.tls.ca")
	}
	return err
}

func namesOf(c *x509.Certificate) []string {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
