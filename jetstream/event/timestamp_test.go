package event

import (
	"testing"
	"time"
)

// Whatever was read before, a stamp is what the standard library takes it for.
func FuzzAStampIsReadAsTheStandardLibraryReadsIt(f *testing.F) {
	for _, s := range []string{"2026-11-29T00:23:46.123456789Z", "2026-11-29T00:23:46Z", "2026-11-29T00:23:46.5Z", "2026-11-29T00:23:46.Z",
		"2026-11-29T00:23:46.1234567891Z", "2026-11-29T00:23:46.12x4Z", "2026-11-29T00:23:46+01:00", "2026-11-29T00:23:46,5Z",
		"2026-02-30T00:00:00Z", "", "Z", "2026-11-29T00:23:46 Z"} {
		f.Add("2026-11-29T00:23:46.000000001Z", s)
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, before, stamp string) {
		newestSecond.Store(nil)
		readStamp(before)
		want, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			want = time.Time{}
		}
		if got := readStamp(stamp); !got.Equal(want) {
			t.Errorf("after %q: %q is %v, want %v", before, stamp, got, want)
		}
	})
}
