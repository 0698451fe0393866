package kv

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
)

// FuzzChange reads messages of a bucket, whose headers anybody with a key-value library
// may have written: no entry was made after it was stored, none lives for longer than
// its bucket allows.
func FuzzChange(f *testing.F) {
	f.Add("user.ann", "2026-01-02T03:04:05Z", "30s", "", "")
	f.Add("a.*", "x", "-1s", "DEL", "")
	f.Add("", "9999-12-31T23:59:59Z", "99999h", "", "MaxAge")
	f.Add("k", "9999-12-31T23:59:59Z", "99999h", "", "")
	f.Add("a.*", "", "", "", "")
	stored := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, key, made, ttl, operation, marker string) {
		m := &api.Message{Subject: Subject(Blacklist, key), Seq: 7, Time: stored, Data: []byte("v"), Header: nats.Header{
			headerMade: {"first", made}, headerTTL: {ttl}, headerOperation: {operation}, headerMarker: {marker}}}
		for _, age := range []time.Duration{0, time.Hour} {
			c := changeOf(Blacklist, m, age)
			if c.Key != key || c.Seq != 7 || c.Gone != (operation != "" || marker != "") {
				t.Fatalf("%+v", c)
			}
			if c.Gone {
				continue
			}
			if c.Made.After(stored) || !c.Expires.IsZero() && !c.Expires.After(stored) {
				t.Fatalf("%+v", c)
			}
			if age > 0 && (c.Expires.IsZero() || c.Expires.Sub(stored) > age) {
				t.Fatalf("lives until %v: %+v", c.Expires, c)
			}
			// What is taken for an import is put where it belongs.
			if s := Subject(c.Bucket, c.Key); c.problem() == "" && (!server.IsValidLiteralSubject(s) || strings.ContainsAny(s, " \r\n")) {
				t.Fatalf("the key %q is put into %q", key, s)
			}
		}
	})
}
