package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"weft/config"
	"weft/config/testkit/testlog"
	"weft/config/testkit/waitfor"
)

// A node whose certificate no other would accept says so when it starts.
func TestAnOwnCertificateThatNobodyAcceptsIsNotStartedWith(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	expired, server := nodeCertificate("n1"), nodeCertificate("n1")
	expired.NotAfter = time.Now().Add(-time.Hour)
	server.ExtKeyUsage = server.ExtKeyUsage[:1]
	foreign := other.issue(nodeCertificate("n1"))
	foreign.CA = ca.issue(nodeCertificate("n1")).CA
	for words, files := range map[string]*config.TLSFiles{
		"expired on":                 ca.issue(expired),
		"for servers and for client": ca.issue(server),
		"does not come from":         foreign,
	} {
		if _, err := newLinkTLS(*files, nil, testlog.To(t)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", words, err)
		}
	}
}

// Nodes accept each other by a name of the seeds, or one that all have.
func TestACertificateIsForAHostOfTheSeedsOrSharesAName(t *testing.T) {
	ca := newAuthority(t)
	own := ca.issue(nodeCertificate("n1.example", "weft"))
	l, err := newLinkTLS(*own, []string{"n1.example:6222", "n2.example:6222", "10.0.0.3:6222"}, testlog.To(t))
	if err != nil {
		t.Fatal(err)
	}
	for host, ok := range map[string]bool{"n2.example": true, "weft": true, "10.0.0.3": true, "*.example": true, "shop.example": false, "10.0.0.4": false} {
		leaf, _ := ca.sign(nodeCertificate(host), ca.cert, ca.key)
		if err := l.verify(tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}); (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// A certificate that was renewed is used without a restart; one that cannot be
// read leaves the one before.
func TestARenewedCertificateIsUsed(t *testing.T) {
	ca := newAuthority(t)
	files := ca.issue(nodeCertificate("n1"))
	l, err := newLinkTLS(*files, nil, testlog.To(t))
	if err != nil {
		t.Fatal(err)
	}
	first := l.own()
	ca.renew(files, nodeCertificate("n1"))
	waitfor.True(t, func() bool { return !bytes.Equal(l.own().Leaf.Raw, first.Leaf.Raw) }) // files have coarse times
	second := l.own()
	ca.write(files.Cert, "CERTIFICATE", []byte("not one"))
	if !bytes.Equal(l.own().Leaf.Raw, second.Leaf.Raw) {
		t.Error("another certificate is used")
	}
}
