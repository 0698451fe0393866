package blacklist

import (
	"testing"
	"time"
)

func TestAKeyThatCanNeverMatchIsShownAsSuch(t *testing.T) {
	for key, bad := range map[string]bool{
		"abc": false, "user.ann": false, "a=2Eb": false,
		"a.b": true, "user.a.b": true, "a/b": true, "a=2eb": true, "user.": true,
	} {
		if e := newEntry(key, "x", time.Now(), time.Now().Add(time.Hour)); (e.Problem != "") != bad {
			t.Errorf("%s: problem %q", key, e.Problem)
		}
	}
}

func TestOnlyWhatFollowsItsMarkIsToldToClients(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "revoked": "", "lost phone": "", "2026-01-02T15:04:05Z": "", "reason": "", "Reason: x": "", "the reason: x": "",
		"reason:": "", "reason:x": "x", "reason: lost phone ": "lost phone", Because("lost: phone"): "lost: phone",
	} {
		if e := newEntry("s1", value, time.Now(), time.Time{}); e.Reason != want || e.Value != value {
			t.Errorf("%q is told as %q, want %q", value, e.Reason, want)
		}
	}
	made := time.Now()
	if e := newEntry("user.ann", Because("2026-01-02T15:04:05Z"), made, time.Time{}); !e.Before.Equal(made) {
		t.Errorf("a reason that is a time cuts until %v", e.Before)
	}
}
