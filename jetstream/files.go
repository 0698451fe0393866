package jetstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// ErrDataDir means that the data folder cannot be used by this process.
var ErrDataDir = errors.New("data folder cannot be used")

// CheckFiles reports what Open would stumble over: the data folder, if it is
// there, and the files that the configuration names. Each error is a *KeyError.
// It changes nothing, and a node that runs on the folder is no error.
func (c *Config) CheckFiles() []error {
	var errs []error
	if err := c.checkDataDir(); err != nil {
		errs = append(errs, err)
	}
	if c.Cluster == nil || c.Cluster.TLS == nil {
		return errs
	}
	files := c.Cluster.TLS
	bad := CheckPair("cluster.tls", files.Cert, files.Key)
	if _, err := ReadPool("cluster.tls.ca", files.CA); err != nil {
		bad = append(bad, err)
	}
	if len(bad) == 0 {
		if _, err := newLinkTLS(*files, c.Cluster.Seeds, slog.New(slog.DiscardHandler)); err != nil {
			bad = append(bad, fileError("cluster.tls.cert", err))
		}
	}
	return append(errs, bad...)
}

func (c *Config) checkDataDir() error {
	const key = "node.data_dir"
	dir := c.Node.DataDir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it will be made
	case err != nil:
		return &KeyError{Key: key, Msg: err.Error(), Err: fmt.Errorf("%w: %w", ErrDataDir, err)}
	case !info.IsDir():
		return &KeyError{Key: key, Msg: dir + " is no folder", Err: ErrDataDir}
	}
	if err := mayWrite(dir); err != nil {
		return &KeyError{Key: key, Msg: fmt.Sprintf("%s cannot be written: %v", dir, err), Err: fmt.Errorf("%w: %w", ErrDataDir, err)}
	}
	cfg := *c
	cfg.Node.Name = nodeName(cfg.Node.Name)
	if err := compareFolder(cfg); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fileError(key, err)
	}
	return nil
}

// CheckPair reports why a certificate and its key, in PEM files named by key.cert
// and key.key, cannot be used.
func CheckPair(key, cert, private string) []error {
	var errs []error
	certPEM, err := os.ReadFile(cert)
	if err != nil {
		errs = append(errs, fileError(key+".cert", err))
	}
	keyPEM, err := os.ReadFile(private)
	if err != nil {
		errs = append(errs, fileError(key+".key", err))
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
		return nil, fileError(key, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, badKey(key, "%s holds no certificate", path)
	}
	return pool, nil
}

func fileError(key string, err error) error { return &KeyError{Key: key, Msg: err.Error(), Err: err} }
