package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"weft/config"
)

// ErrDataDir means that the data folder cannot be used by this process.
var ErrDataDir = errors.New("data folder cannot be used")

// CheckFiles reports what Open would stumble over: the data folder, if it is
// there, and the files that the configuration names. Each error is a *config.KeyError.
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
	bad := config.CheckPair("cluster.tls", files.Cert, files.Key)
	if _, err := config.ReadPool("cluster.tls.ca", files.CA); err != nil {
		bad = append(bad, err)
	}
	if len(bad) == 0 {
		if _, err := newLinkTLS(*files, c.Cluster.Seeds, slog.New(slog.DiscardHandler)); err != nil {
			bad = append(bad, config.FileError("cluster.tls.cert", err))
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
		return &config.KeyError{Key: key, Msg: err.Error(), Err: fmt.Errorf("%w: %w", ErrDataDir, err)}
	case !info.IsDir():
		return &config.KeyError{Key: key, Msg: dir + " is no folder", Err: ErrDataDir}
	}
	if err := mayWrite(dir); err != nil {
		return &config.KeyError{Key: key, Msg: fmt.Sprintf("%s cannot be written: %v", dir, err), Err: fmt.Errorf("%w: %w", ErrDataDir, err)}
	}
	cfg := *c
	cfg.Node.Complete()
	if err := compareDataDir(cfg); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return config.FileError(key, err)
	}
	return nil
}
