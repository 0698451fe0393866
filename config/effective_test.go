package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// A sample has something of each kind.
type sample struct {
	Node struct {
		Name    string          `yaml:"name"`
		DataDir string          `yaml:"data_dir"`
		Users   []user          `yaml:"users"`
		Claims  map[string]any  `yaml:"claims"`
		MinFree Bytes           `yaml:"min_free"`
		Any     map[string]JSON `yaml:"any"`
	} `yaml:"node"`
	Cluster *struct {
		Seeds  []string  `yaml:"seeds"`
		Secret string    `yaml:"secret"`
		TLS    *TLSFiles `yaml:"tls"`
	} `yaml:"cluster"`
	Events struct {
		MaxAge     time.Duration `yaml:"max_age"`
		PerSubject int           `yaml:"per_subject"`
		Share      float64       `yaml:"share"`
		Keep       *bool         `yaml:"keep"`
	} `yaml:"events"`
	Log struct {
		Level string `yaml:"level"`
	} `yaml:"log"`
}

type user struct {
	Name     string   `yaml:"name"`
	Password string   `yaml:"password"`
	Lists    []string `yaml:"lists"`
}

// full sets something of each kind.
const full = `node:
  name: n1
  users:
    - {name: orders, password: "p: #1", lists: [a, "on", "topic.chat.{/room}"]}
    - {name: "on", password: "0x10", lists: []}
    - name: &n "  spaces  "
      password: *n
      lists: [*n]
  claims: {a: 1, b: "1", c: true, d: 1.5}
  any: {a: {b: [1, "1", true, null], c: {d: 1.5}}, e: '{"f":"g"}'}
cluster: {seeds: ["127.0.0.1:9092", "[::1]:9092"], tls: {}}
events: {max_age: 36h30m, per_subject: -7, share: 0.5, keep: true}
`

func read(t *testing.T, text string) (*sample, *Loaded) {
	t.Helper()
	var s sample
	l := LoadText(Source{Path: "weft.yaml"}, []byte(text), &s)
	if err := l.Err(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return &s, l
}

func unmasked(l *Loaded) string {
	p := &printer{}
	p.section(l.root, "", 0)
	return p.out.String()
}

func TestWhatIsWrittenReadsBackTheSame(t *testing.T) {
	first, l := read(t, full)
	text := unmasked(l)
	again, l := read(t, text)
	if second := unmasked(l); second != text {
		t.Errorf("got\n%s\nwant\n%s", second, text)
	}
	if !reflect.DeepEqual(first, again) {
		t.Errorf("got %+v\nwant %+v", again, first)
	}
}

func TestThePasswordOfAURLIsMasked(t *testing.T) {
	for in, want := range map[string]string{
		"https://ann:hush@example.com/keys": "https://ann:xxxxx@example.com/keys",
		"https://example.com/keys":          "https://example.com/keys",
		"a:b@c":                             "a:b@c",
	} {
		if got := withoutPassword(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func FuzzQuotedTextReadsBackTheSame(f *testing.F) {
	for _, s := range []string{"", "a", "null", "1e3", "0x1f", "1:30", "- a", "a: b", "a #b", "é\u2028\x7f", "~", "'", "\"", "\\", " x ", "12:30:45", "1.5GiB", ":4000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ToValidUTF8(s, "") != s {
			t.Skip("strings of a configuration are UTF-8")
		}
		if got, _ := read(t, "node: {data_dir: "+quote(s)+"}\n"); got.Node.DataDir != s {
			t.Fatalf("%q is written %s and read %q", s, quote(s), got.Node.DataDir)
		}
	})
}
