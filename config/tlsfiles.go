package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// A KeyPair names the PEM files of a certificate and of its private key.
type KeyPair struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// TLSFiles names the PEM files of a side that proves who it is and checks the
// other one.
type TLSFiles struct {
	KeyPair
	CA string `yaml:"ca"`
}

// CheckPair reports why a certificate and its key, in PEM files named by key.cert
// and key.key, cannot be used.
func CheckPair(key, cert, private string) []error {
	var errs []error
	certPEM, err := os.ReadFile(cert)
	if err != nil {
		errs = append(errs, FileError(key+".cert", err))
	}
	keyPEM, err := os.ReadFile(private)
	if err != nil {
		errs = append(errs, FileError(key+".key", err))
	}
	if len(errs) == 0 {
		if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
			errs = append(errs, &KeyError{Key: key + ".cert", Msg: fmt.Sprintf("%s and %s are no pair: %v", cert, private, err), Err: err})
		}
	}
	return errs
}

// ReadPool reads certificates of authorities from a PEM file. Its error is a
// *KeyError.
func ReadPool(key, path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, FileError(key, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, BadKey(key, "%s holds no certificate", path)
	}
	return pool, nil
}

// FileError makes a KeyError about a file that cannot be used.
func FileError(key string, err error) error { return &KeyError{Key: key, Msg: err.Error(), Err: err} }
