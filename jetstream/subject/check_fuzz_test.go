package subject_test

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"weft/jetstream/subject"
)

// FuzzCheck compares with the server what a subject is and what a pattern matches.
func FuzzCheck(f *testing.F) {
	f.Add("user.ann", "user.*")
	f.Add("topic.a.b=2E", "topic.a.>")
	f.Add("topic..a", ">")
	f.Add("user.a.b", "topic.*.b")
	f.Fuzz(func(t *testing.T, s, pattern string) {
		if subject.Check(s) != nil {
			return
		}
		if !server.IsValidLiteralSubject(s) || len(s) > subject.MaxBytes {
			t.Fatalf("%q carries events", s)
		}
		if user := subject.UserOf(s); user != "" {
			if again, err := subject.OfUser(user); err != nil || again != s {
				t.Fatalf("%q is of %q, whose subject is %q, %v", s, user, again, err)
			}
		}
		if subject.CheckPattern(pattern) != nil {
			return
		}
		if !server.IsValidSubject(pattern) {
			t.Fatalf("%q is a pattern", pattern)
		}
		if got, want := subject.Match(pattern, s), server.SubjectsCollide(pattern, s); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, s, got, want)
		}
	})
}
