package event

import (
	"strings"
	"sync/atomic"
	"time"
)

// stampWhole is the length of a time stamp up to its seconds (RFC 3339).
const stampWhole = len("2006-01-02T15:04:05")

// A second is one that was read, and how it is written.
type second struct {
	text string
	unix int64
}

// newestSecond is the newest second that was read: what comes live is nearly always
// of it, and of every event that is delivered the time is read.
var newestSecond atomic.Pointer[second]

// readStamp reads a time as the server writes it; zero when it is none. It may be
// called concurrently.
func readStamp(text string) time.Time {
	plain := len(text) > stampWhole && text[len(text)-1] == 'Z'
	newest := newestSecond.Load()
	if plain && newest != nil && text[:stampWhole] == newest.text {
		if nanoseconds, ok := readFraction(text[stampWhole : len(text)-1]); ok {
			return time.Unix(newest.unix, nanoseconds).UTC()
		}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	if plain && (newest == nil || t.Unix() > newest.unix) {
		newestSecond.Store(&second{strings.Clone(text[:stampWhole]), t.Unix()})
	}
	return t
}

// readFraction reads a point and up to nine digits, or nothing at all.
func readFraction(text string) (nanoseconds int64, ok bool) {
	if text == "" {
		return 0, true
	}
	if text[0] != '.' || len(text) < 2 || len(text) > 10 {
		return 0, false
	}
	for i := 1; i < 10; i++ {
		nanoseconds *= 10
		if i < len(text) {
			digit := text[i] - '0'
			if digit > 9 {
				return 0, false
			}
			nanoseconds += int64(digit)
		}
	}
	return nanoseconds, true
}
