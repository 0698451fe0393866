package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weft/config"
)

// wantKeys fails unless the errors are about these keys, each holding its text.
func wantKeys(t *testing.T, errs []error, want map[string]string) {
	t.Helper()
	have := map[string]string{}
	for _, err := range errs {
		var bad *config.KeyError
		if !errors.As(err, &bad) {
			t.Errorf("%v is no KeyError", err)
			continue
		}
		have[bad.Key] = bad.Msg
		if text, ok := want[bad.Key]; !ok || !strings.Contains(bad.Msg, text) {
			t.Errorf("%v, want %q", err, text)
		}
	}
	if len(have) != len(want) {
		t.Errorf("have %v, want %v", have, want)
	}
}

func TestFilesOfLinksAreLookedAtBeforeTheStart(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good, second := ca.issue(nodeCertificate("n1")), other.issue(nodeCertificate("n1"))
	expired := nodeCertificate("n1")
	expired.NotAfter = time.Now().Add(-time.Hour)
	missing := filepath.Join(t.TempDir(), "none.pem")
	for name, c := range map[string]struct {
		files config.TLSFiles
		want  map[string]string
	}{
		"good":             {*good, nil},
		"missing":          {tlsFiles(missing, missing, missing), map[string]string{"cluster.tls.cert": missing, "cluster.tls.key": missing, "cluster.tls.ca": missing}},
		"another key":      {tlsFiles(good.Cert, second.Key, good.CA), map[string]string{"cluster.tls.cert": "are no pair"}},
		"a key for a CA":   {tlsFiles(good.Cert, good.Key, good.Key), map[string]string{"cluster.tls.ca": "holds no certificate"}},
		"another CA":       {tlsFiles(good.Cert, good.Key, second.CA), map[string]string{"cluster.tls.cert": "does not come from cluster.tls.ca"}},
		"an expired one":   {*ca.issue(expired), map[string]string{"cluster.tls.cert": "expired on"}},
		"a folder for one": {tlsFiles(good.Cert, good.Key, filepath.Dir(good.CA)), map[string]string{"cluster.tls.ca": "is a directory"}},
	} {
		cfg := testConfig(t, "n1")
		cfg.Node.DataDir = filepath.Join(cfg.Node.DataDir, "not yet")
		cfg.Cluster = &ClusterConfig{TLS: &c.files}
		t.Run(name, func(t *testing.T) { wantKeys(t, cfg.CheckFiles(), c.want) })
		if _, err := os.Stat(cfg.Node.DataDir); err == nil {
			t.Errorf("%s: the look has made the data folder", name)
		}
	}
}

func TestADataFolderIsLookedAtBeforeTheStart(t *testing.T) {
	look := func(name string, cluster bool, dir string) []error {
		cfg := Config{Node: NodeConfig{Name: name, DataDir: dir}}
		if cluster {
			cfg.Cluster = &ClusterConfig{}
		}
		return cfg.CheckFiles()
	}
	cfg := testConfig(t, "n1")
	lock, err := OpenDataDir(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	dir, name := cfg.Node.DataDir, cfg.Node.Name
	wantKeys(t, look(name, false, dir), nil) // also while it runs
	wantKeys(t, look("other", false, dir), map[string]string{"node.data_dir": `belongs to node "` + name + `"`})
	wantKeys(t, look(name, true, dir), map[string]string{"node.data_dir": "was made by a standalone node"})
	wantKeys(t, look(name, false, filepath.Join(dir, identityFile)), map[string]string{"node.data_dir": "is no folder"})
	wantKeys(t, look(name, false, filepath.Join(dir, identityFile, "below")), map[string]string{"node.data_dir": "not a directory"})
	if err := os.WriteFile(filepath.Join(dir, identityFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, look(name, false, dir), map[string]string{"node.data_dir": identityFile})
}
