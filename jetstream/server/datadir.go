package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

var (
	// ErrDataDirInUse means that another process uses the data folder.
	ErrDataDirInUse = errors.New("data folder is in use by another process")
	// ErrDataDirOf means that the data folder belongs to another node.
	ErrDataDirOf = errors.New("data folder belongs to another node")
	// ErrRemoved means that an operator removed the node from its cluster while it
	// was away.
	ErrRemoved = errors.New("node was removed from its cluster")
	// ErrDataDirMode means that the data folder is of the other mode: of a
	// standalone node, or of a member of a cluster.
	ErrDataDirMode = errors.New("data folder cannot change between standalone and cluster")
)

// An Identity is what a data folder remembers of the node it belongs to.
type Identity struct {
	Name string `json:"name"`
	Mode string `json:"mode"` // standalone or cluster
	// Formed is set once the node has met enough others to be in a cluster.
	Formed bool `json:"formed,omitempty"`
	// Member is set once the cluster has let the node in.
	Member bool `json:"member,omitempty"`
	// Removed is set once the node knows that an operator removed it.
	Removed bool `json:"removed,omitempty"`
}

// OpenDataDir makes the data folder if need be, locks it and checks whose it is.
// It returns the lock, which lasts until it is closed.
func OpenDataDir(cfg Config) (*os.File, error) {
	dir := cfg.Node.DataDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder (node.data_dir): %w", err)
	}
	lock, err := lockDataDir(dir)
	if err != nil {
		return nil, err
	}
	if err := checkDataDir(cfg); err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// checkDataDir writes into a new folder whose it is, and compares an old one.
func checkDataDir(cfg Config) error {
	err := compareDataDir(cfg)
	if errors.Is(err, os.ErrNotExist) {
		return identityOf(cfg).Write(cfg.Node.DataDir)
	}
	return err
}

// identityOf is what the folder of a new node remembers.
func identityOf(cfg Config) Identity {
	want := Identity{Name: cfg.Node.Name, Mode: "standalone"}
	if cfg.Cluster != nil {
		want.Mode = "cluster"
	}
	return want
}

// compareDataDir reports why a folder cannot be this node's. A new one has no
// file that could say so: os.ErrNotExist.
func compareDataDir(cfg Config) error {
	want := identityOf(cfg)
	have, err := ReadIdentity(cfg.Node.DataDir)
	switch {
	case err != nil:
		return err
	case have.Mode != want.Mode:
		return fmt.Errorf("%w: %s was made by a %s node and is opened by a %s one", ErrDataDirMode, cfg.Node.DataDir, have.Mode, want.Mode)
	case have.Removed:
		return fmt.Errorf("%w, and its data folder %s with it", ErrRemoved, cfg.Node.DataDir)
	case have.Name != want.Name:
		return fmt.Errorf("%w: %s belongs to node %q, not to %q; set node.name", ErrDataDirOf, cfg.Node.DataDir, have.Name, want.Name)
	}
	return nil
}

const identityFile = "node.json"

// ReadIdentity reads what a data folder remembers. Of a new one it is os.ErrNotExist.
func ReadIdentity(dir string) (id Identity, err error) {
	path := filepath.Join(dir, identityFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return id, fmt.Errorf("read data folder: %w", err)
	}
	if err := json.Unmarshal(data, &id); err != nil {
		return id, fmt.Errorf("read %s: %w", path, err)
	}
	return id, nil
}

// Write makes a data folder remember the identity, whole or not at all.
func (id Identity) Write(dir string) error { return writeFile(filepath.Join(dir, identityFile), id) }

// writeFile writes v whole or not at all.
func writeFile(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write data folder (node.data_dir): %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write data folder (node.data_dir): %w", err)
	}
	return nil
}
