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
