package server

import (
	"reflect"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/config/testkit/testlog"
)

// The store of a stream is reached by names that nats-server does not export: this is where
// a version that has changed them is noticed, if it links at all.
func TestTheStoreOfAStreamIsReached(t *testing.T) {
	if !readable {
		t.Fatalf("a message of nats-server is laid out as %v, and not as %v: copies are read by requests alone",
			reflect.TypeFor[natsserver.StoreMsg](), reflect.TypeFor[storeMsg]())
	}
	if sameLayout(reflect.TypeFor[storeMsg](), reflect.TypeFor[struct {
		subj          string
		hdr, buf, msg []byte
		seq           uint64
		ts            int64
	}]()) {
		t.Error("another layout is not noticed")
	}
	s := New(testConfig(t, "n1"), testlog.To(t))
	lock, err := OpenDataDir(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, ok := ReplicaOf(s, "EVENTS"); ok {
		t.Error("a server that does not run has a copy")
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if _, ok := ReplicaOf(s, "EVENTS"); ok {
		t.Error("there is a copy of no stream")
	}
	nc, err := s.Connect(NodeUser, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	j, err := js.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.CreateStream(t.Context(), js.StreamConfig{Name: "EVENTS", Subjects: []string{"user.*"}}); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"user.ann", "user.bob", "user.ann"} {
		m := nats.NewMsg(subject)
		m.Header.Set("X", subject)
		m.Data = []byte("hello " + subject)
		if _, err := j.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	r, ok := ReplicaOf(s, "EVENTS")
	if !ok {
		t.Fatal("there is no copy")
	}
	if again, _ := ReplicaOf(s, "EVENTS"); again != r {
		t.Error("the same copy is another one")
	}
	if first, last := r.Bounds(); first != 1 || last != 3 {
		t.Errorf("from %d to %d, want 1 to 3", first, last)
	}
	for _, c := range []struct {
		subject string
		from    uint64
		seq     uint64
		of      string
	}{{"user.ann", 1, 1, "user.ann"}, {"user.ann", 2, 3, "user.ann"}, {"user.ann", 4, 0, ""}, {"user.eve", 1, 0, ""}, {"", 2, 2, "user.bob"}} {
		if seq, of, ok := r.Next(c.subject, c.from); !ok || seq != c.seq || of != c.of {
			t.Errorf("from %d of %q: %d of %q, %v; want %d of %q", c.from, c.subject, seq, of, ok, c.seq, c.of)
		}
	}
	m, ok := r.Load(2)
	if !ok || m.Subject != "user.bob" || m.Seq != 2 || string(m.Data) != "hello user.bob" || m.Header.Get("X") != "user.bob" || m.Time().IsZero() {
		t.Errorf("%+v, %v", m, ok)
	}
	if _, ok := r.Load(4); ok {
		t.Error("there is a message that was not stored")
	}
	s.Stop()
	if _, ok := r.Load(2); ok {
		t.Error("a server that has stopped has messages")
	}
	if _, _, ok := r.Next("user.ann", 1); ok {
		t.Error("a server that has stopped says what there is")
	}
}
