package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// Trust makes a client at address believe a node's own certificate, whose file is at
// hand: nobody else has to vouch for it, and it may be for another name than the
// node is addressed by on its own machine.
func Trust(certFile, address string) (*tls.Config, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %q", errURL, address)
	}
	text, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of public.tls: %w", err)
	}
	chain, err := parseChain(text)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of public.tls: %s: %w", certFile, err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	for _, c := range chain {
		roots.AddCert(c)
	}
	cfg := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if leaf := chain[0]; leaf.VerifyHostname(u.Hostname()) != nil && len(leaf.DNSNames) > 0 {
		cfg.ServerName = strings.Replace(leaf.DNSNames[0], "*", "weft", 1)
	}
	return cfg, nil
}

// parseChain reads the certificates of a PEM file, of which there is one at least.
func parseChain(text []byte) (chain []*x509.Certificate, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, errors.New("it holds no certificate")
	}
	return chain, nil
}
