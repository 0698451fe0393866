package jetstream

import (
	"errors"
	"slices"
	"testing"
	"time"

	"weft/config"
	"weft/jetstream/event"
	"weft/jetstream/server"
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
	c.Events = event.Limits{MaxAge: time.Second, MaxBytes: 1}
	var keys []string
	for _, err := range c.Check() {
		var k *config.KeyError
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
	c.Node.Users = []server.User{{Name: "a", Password: "x", Role: "boss"}, {Name: "a", Role: server.RoleOperator}, {},
		{Name: "weft-node", Password: "x", Role: server.RolePublisher}}
	if errs := c.Check(); len(errs) != 7 {
		t.Errorf("users: %v", errs)
	}
}
