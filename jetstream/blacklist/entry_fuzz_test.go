package blacklist

import (
	"testing"
	"time"

	"weft/jetstream/subject"
)

// FuzzEntry reads entries that anybody with a key-value library may have put: one that
// can match a token is that token's alone, and one that cannot says so.
func FuzzEntry(f *testing.F) {
	for _, key := range []string{"abc", "user.ann", "a=2Eb", "user.", "user.a.b", "a=2eb", "user.=FF"} {
		f.Add(key, "revoked", "ann")
		f.Add(key, " 2026-01-02T03:04:05Z\n", "abc")
	}
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, key, value, name string) {
		e := newEntry(key, value, made, made.Add(time.Hour))
		session, user := e.Session != "", e.User != ""
		if (e.Problem == "") != (session != user) {
			t.Fatalf("%q: %+v", key, e)
		}
		if user != !e.Before.IsZero() && e.Problem == "" {
			t.Fatalf("%q, %q: %+v", key, value, e)
		}
		if e.Problem == "" {
			prefix, of := "", e.Session
			if user {
				prefix, of = userKey, e.User
			}
			if token, err := subject.Escape(of); err != nil || prefix+token != key {
				t.Fatalf("%q is the key of %q: %q, %v", key, of, token, err)
			}
		}
		if e.Cuts(name, "", made) && (!session || e.Session != name) || e.Cuts("", name, made) && (!user || e.User != name) {
			t.Fatalf("%q cuts %q: %+v", key, name, e)
		}
	})
}
