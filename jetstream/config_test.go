package jetstream

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestTheDefaultsAreFine(t *testing.T) {
	c := Default()
	if errs := c.Check(); len(errs) > 0 {
		t.Error(errs)
	}
}

func TestEveryBadValueIsNamedByItsKey(t *testing.T) {
	c := Default()
	c.Node.Name = "a b"
	c.Node.DataDir = ""
	c.Node.Listen = "0.0.0.0:4222"
	c.Node.MinFree = -1
	c.Events = EventsConfig{MaxAge: time.Second, MaxBytes: 1}
	var keys []string
	for _, err := range c.Check() {
		var k *KeyError
		if !errors.As(err, &k) {
			t.Fatalf("%v names no key", err)
		}
		keys = append(keys, k.Key)
	}
	want := []string{"node.name", "node.data_dir", "node.listen", "node.min_free", "events.max_age", "events.max_per_subject", "events.max_bytes"}
	if !slices.Equal(keys, want) {
		t.Errorf("got %v, want %v", keys, want)
	}
	c = Default()
	c.Node.Users = []User{{Name: "a", Password: "x", Role: "boss"}, {Name: "a", Role: RoleOperator}, {},
		{Name: "weft-node", Password: "x", Role: RolePublisher}}
	if errs := c.Check(); len(errs) != 7 {
		t.Errorf("users: %v", errs)
	}
}

func TestSizesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "512": 512, "64KiB": 64 << 10, "1 MiB": 1 << 20, "1GiB": 1 << 30, "10KB": 10_000, "2TB": 2e12, "7B": 7} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: %d, %v", text, b, err)
		}
		var back Bytes
		if err := back.UnmarshalText([]byte(b.String())); err != nil || back != b {
			t.Errorf("%s is written as %s", text, b)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5GiB", "1PiB", "9999999999GiB", "1 Gib"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, b)
		}
	}
}
