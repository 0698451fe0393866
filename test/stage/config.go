package stage

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// A Config is the content of a configuration file. Keys are dotted paths as the
// reference has them: "events.max_per_subject".
type Config map[string]any

// Settings is the configuration that a node of the tests has unless a test says
// otherwise: free loopback ports, the host name of raw requests and the tests' HS256 key.
// The ports are none of the system's choice: those a connection could take while a node is
// away that is to have them again.
func Settings(dataDir string) Config {
	listen, err := FreeAddresses(3)
	if err != nil {
		listen = slices.Repeat([]string{"127.0.0.1:0"}, 3)
	}
	return Config{
		"node.name":     "n1",
		"node.data_dir": dataDir,
		"node.listen":   listen[0],
		"public.listen": listen[1],
		"public.hosts":  []any{"weft"},
		"admin.listen":  listen[2],
		"auth.issuers":  []any{map[string]any{"keys": []any{map[string]any{"alg": "HS256", "secret": Secret}}}},
	}
}

// Source is an entry of kafka.sources.
type Source = map[string]any

// Group is the consumer group of nodes whose first source is a topic.
func Group(topic string) string { return "weft." + topic }

// Kafka adds a broker and its sources. They are read in a group of their own: of one that
// all tests share, nodes that were killed are members until they are missed, and meanwhile
// nobody joins.
func (c Config) Kafka(broker string, sources ...Source) Config {
	c["kafka.brokers"] = []any{broker}
	c["kafka.sources"] = sources
	if c["kafka.group"] == nil && len(sources) > 0 {
		c["kafka.group"] = Group(sources[0]["topic"].(string))
	}
	return c
}

// With sets a key. A nil value takes the key out.
func (c Config) With(key string, value any) Config {
	if value == nil {
		delete(c, key)
	} else {
		c[key] = value
	}
	return c
}

// Write writes the file.
func (c Config) Write(t testing.TB, path string) {
	t.Helper()
	tree := map[string]any{}
	for key, value := range c {
		at := tree
		parts := strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			next, ok := at[part].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[part] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = value
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		t.Fatalf("encode configuration: %v", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatalf("write configuration: %v", err)
	}
}
