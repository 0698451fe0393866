package upstream_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weft/config"
	"weft/edge/proxy/upstream"
)

func TestAllThatIsWrongWithUpstreamsIsSaidWithItsKey(t *testing.T) {
	entries := []upstream.Config{
		{Match: "https://Orders:8443", Headers: map[string]string{"Authorization": "Basic x"}},
		{Match: "https://orders:8443/", Headers: map[string]string{"X-Key": "x"}},
		{Match: "ftp://orders", Headers: map[string]string{"X-Key": "x"}},
		{Match: "", TLS: &upstream.TLSConfig{}},
		{Match: "http://a/path", Headers: map[string]string{"X-Key": "x"}},
		{Match: "http://u:p@a", Headers: map[string]string{"X-Key": "x"}},
		{Match: "http://b:80", TLS: &upstream.TLSConfig{}},
		{Match: "http://b", Headers: map[string]string{"host": "x", "Weft-User": "x", "a b": "x", "X-Empty": "", "X-Line": "a\nb", "X-Key": "1", "x-key": "2"}},
		{Match: "h2c://c"},
		{Match: "https://d", TLS: &upstream.TLSConfig{TLSFiles: config.TLSFiles{KeyPair: config.KeyPair{Cert: "c"}}, ServerName: "d:443"}},
	}
	want := map[string]string{
		"upstreams[1].match":             "upstreams[0]",
		"upstreams[2].match":             "none of http, https and h2c",
		"upstreams[3].match":             "is empty",
		"upstreams[4].match":             "write http://a",
		"upstreams[5].match":             "set the header Authorization",
		"upstreams[6].tls":               "for https only",
		"upstreams[7].match":             "upstreams[6]",
		"upstreams[7].headers.host":      "is Weft's to set",
		"upstreams[7].headers.Weft-User": "is Weft's to set",
		"upstreams[7].headers.a b":       "no name of a header",
		"upstreams[7].headers.X-Empty":   "is empty",
		"upstreams[7].headers.X-Line":    "control character",
		"upstreams[7].headers.x-key":     "twice",
		"upstreams[8].match":             "neither tls nor headers",
		"upstreams[9].tls":               "cert and key",
		"upstreams[9].tls.server_name":   "without scheme and port",
	}
	for _, err := range upstream.Check(entries) {
		bad, ok := errors.AsType[*config.KeyError](err)
		if !ok {
			t.Fatalf("%v has no key", err)
		}
		if text := want[bad.Key]; text == "" || !strings.Contains(bad.Msg, text) {
			t.Errorf("%s: %s; want %q", bad.Key, bad.Msg, text)
		}
		if strings.Contains(bad.Error(), "u:p") {
			t.Errorf("%v shows a password", bad)
		}
		delete(want, bad.Key)
	}
	for key := range want {
		t.Errorf("nothing is said of %s", key)
	}
}

func TestFilesOfUpstreamsThatCannotBeUsedAreNamed(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	entries := []upstream.Config{{Match: "http://a"}, {Match: "https://a", TLS: &upstream.TLSConfig{TLSFiles: config.TLSFiles{
		CA: empty, KeyPair: config.KeyPair{Cert: filepath.Join(dir, "none.pem"), Key: empty},
	}}}}
	var keys []string
	for _, err := range upstream.CheckFiles(entries) {
		bad, ok := errors.AsType[*config.KeyError](err)
		if !ok {
			t.Fatalf("%v has no key", err)
		}
		keys = append(keys, bad.Key)
	}
	if got := strings.Join(keys, " "); got != "upstreams[1].tls.ca upstreams[1].tls.cert" {
		t.Errorf("said of %s", got)
	}
}
