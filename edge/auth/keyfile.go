package auth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// maxKeyFile bounds what is read of a key file, in bytes.
const maxKeyFile = 1 << 20

// keyFile is a key in a file, read again when it changes.
type keyFile struct {
	cfg     Key
	changed func()
	current atomic.Pointer[key]
}

// keys returns the key, none before the first load.
func (f *keyFile) keys() []*key {
	if k := f.current.Load(); k != nil {
		return []*key{k}
	}
	return nil
}

// load reads the file. Failing, it keeps the key that it had.
func (f *keyFile) load() (changed bool, err error) {
	k, err := readKey(f.cfg)
	if err != nil {
		return false, err
	}
	old := f.current.Load()
	if old != nil && old.sameAs(k) {
		return false, nil
	}
	f.current.Store(k)
	f.changed()
	return true, nil
}

// run loads the file every filePoll and logs each change of state once.
func (f *keyFile) run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(filePoll)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := f.load()
		switch {
		case err != nil && !failing:
			log.Error("key file cannot be read, the last good key stays", "file", f.cfg.File, "err", err)
		case err == nil && failing && !changed:
			log.Info("key file can be read again", "file", f.cfg.File)
		case changed:
			log.Info("key file changed, the new key is in use", "file", f.cfg.File)
		}
		failing = err != nil
	}
}

// readKey reads a configured key, from its file when it has one.
func readKey(cfg Key) (*key, error) {
	b := []byte(cfg.Secret + cfg.Value)
	if cfg.File != "" {
		file, err := os.Open(cfg.File)
		if err != nil {
			return nil, err // names the file
		}
		defer file.Close()
		if b, err = io.ReadAll(io.LimitReader(file, maxKeyFile)); err != nil {
			return nil, fmt.Errorf("read %s: %w", cfg.File, err)
		}
	}
	k, err := parseKey(cfg.Alg, b)
	if err != nil {
		if cfg.File != "" {
			return nil, fmt.Errorf("%s: %w", cfg.File, err)
		}
		return nil, err
	}
	k.kid = cfg.KID
	return k, nil
}
