package stage

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weft/config/testkit/freeport"
)

// FreeAddress returns a loopback address that nobody listens on, and that nobody is
// given meanwhile.
func FreeAddress(t testing.TB) string {
	t.Helper()
	addresses, err := FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return addresses[0]
}

// FreeAddresses returns n different ones, for programs that are no test.
func FreeAddresses(n int) ([]string, error) { return freeport.Addresses("127.0.0.1", n) }

// Certificate writes a certificate for this host that signs itself, its new key, and both in
// one file, until the test ends.
func Certificate(t testing.TB) (cert, key, both string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(Home())}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cert, key, both = filepath.Join(folder, "app.crt"), filepath.Join(folder, "app.key"), filepath.Join(folder, "app.pem")
	c := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	k := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	for file, bytes := range map[string][]byte{cert: c, key: k, both: append(append([]byte{}, c...), k...)} {
		if err := os.WriteFile(file, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, both
}
