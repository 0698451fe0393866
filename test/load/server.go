package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"weft/test/load/crowd"
)

// A server is what is under test: a process, or those of a cluster.
type server struct {
	name      string
	pids      []int
	address   string // of HTTP, of what has one
	sse       crowd.Target
	websocket crowd.Target
	ready     string // for SSE; and for WebSocket with weft
	publish   string // a template, see openPublisher
	metrics   string // URL; "" when there are none
	end       func() // of all processes; it removes their folders
}

// target is how subscribers reach the server over a transport.
func (s *server) target(t crowd.Transport) crowd.Target {
	if t == crowd.WebSocket {
		return s.websocket
	}
	return s.sse
}

// startLimit bounds how long a process may take to be ready.
const startLimit = time.Minute

// A program is a weft binary, and the environment variables of keys that its nodes run
// with.
type program struct {
	binary  string
	environ []string
}

// set sets a configuration key: "tuning.raw_calls=false".
func (p *program) set(setting string) error {
	key, value, ok := strings.Cut(setting, "=")
	if !ok {
		return errors.New("write key=value")
	}
	p.environ = append(p.environ, "WEFT_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))+"="+value)
	return nil
}

// inTurn adds the flags -weft and -set of runs in which binaries take turns. Once they have
// been parsed, programs returns those that they name.
func inTurn(flags *flag.FlagSet) (programs func() []program) {
	var named []program
	flags.Func("weft", "a weft `binary`; repeatable: they take turns (default bin/weft)", func(binary string) error {
		named = append(named, program{binary: binary})
		return nil
	})
	var set program
	flags.Func("set", "a configuration `key=value` of all of them; may be repeated", set.set)
	return func() []program {
		if len(named) == 0 {
			named = []program{{binary: "bin/weft"}}
		}
		for i := range named {
			named[i].environ = set.environ
		}
		return named
	}
}

// weftOptions are what runs of Weft differ in.
type weftOptions struct {
	// subscribe is what a token brings, in place of its user's inbox.
	subscribe string
	// query is appended to the URL of the events.
	query string
	// nodes is how many form a cluster; at most 1: a standalone node.
	nodes int
	// routes is a section of the configuration; "" for none.
	routes string
	// tls, when set, is served with.
	tls *certificate
}

// secret is the HS256 key of the tokens that the bench mints for itself.
const secret = "a key of the bench, of 32 bytes.."

// minter returns a function that mints tokens of an HS256 key, good for an hour.
func minter(key string) func(user string) string {
	return func(user string) string {
		now := time.Now()
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"sub": user, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		}).SignedString([]byte(key))
		if err != nil {
			return "" // the server will refuse it and say so
		}
		return token
	}
}

// A certificate is one for 127.0.0.1 that nobody but the bench trusts.
type certificate struct {
	cert, key string // files
	trust     *tls.Config
}

// writeCertificate writes a certificate into a folder.
func writeCertificate(dir string) (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	c := &certificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(c.cert, cert, 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	c.trust = &tls.Config{RootCAs: pool}
	return c, nil
}

// anyCertificate trusts every server: a drive of a machine of one's own.
func anyCertificate() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }
