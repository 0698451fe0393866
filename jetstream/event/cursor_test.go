package event

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestACursorSurvivesItsText(t *testing.T) {
	many := map[SubjectHash]uint64{}
	for i := range MaxCursorSubjects {
		many[HashSubject(fmt.Sprint("topic.", i))] = 1<<50 + uint64(i)
	}
	for name, c := range map[string]Cursor{
		"floor": {Stream: StreamID{1, 2, 3, 4, 5, 6}, Floor: 42},
		"zero":  {},
		"above": {Floor: 7, Above: map[SubjectHash]uint64{HashSubject("user.ann"): 8, HashSubject("topic.a"): 1 << 60}},
		"many":  {Floor: 1, Above: many},
	} {
		text := c.String()
		if len(text) > MaxCursor || strings.ContainsAny(text, "+/= \n&?") {
			t.Errorf("%s: %d bytes: %.100s", name, len(text), text)
		}
		back, err := ParseCursor(text)
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("%s: %+v, %v", name, back, err)
		}
	}
	c := Cursor{Floor: 10, Above: map[SubjectHash]uint64{HashSubject("a"): 10, HashSubject("b"): 11}}
	if back, err := ParseCursor(c.String()); err != nil || len(back.Above) != 1 || back.Of("a") != 10 || back.Of("b") != 11 {
		t.Errorf("an entry at the floor: %+v, %v", back, err)
	}
}

func TestWhatIsNoCursorIsRefused(t *testing.T) {
	good := Cursor{Floor: 300, Above: map[SubjectHash]uint64{HashSubject("a"): 301}}.String()
	for _, s := range []string{"", "A", "%", good + "=", good[:len(good)-1], good + "\n", "\r\n" + good, strings.Repeat("A", MaxCursor+1), "____", "Ag" + good[2:]} {
		if c, err := ParseCursor(s); err == nil {
			t.Errorf("%.80q was read as %+v", s, c)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(Cursor{Floor: 42}.String())
	f.Add(Cursor{Floor: 300, Above: map[SubjectHash]uint64{HashSubject("a"): 301}}.String())
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCursor(s)
		if err != nil {
			return
		}
		back, err := ParseCursor(c.String())
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("%q: %+v became %+v, %v", s, c, back, err)
		}
	})
}

// Two subjects with one hash are one entry, of the older position: what a client has is
// rather brought twice than not at all.
func TestTextOfACursorWithTheSameHashTwice(t *testing.T) {
	h, other := HashSubject("a"), HashSubject("b")
	text := CursorText(StreamID{1}, 5, []Position{{h, 12}, {other, 11}, {h, 3}, {h, 10}})
	back, err := ParseCursor(text)
	if err != nil || back.Floor != 5 || len(back.Above) != 2 || back.Of("a") != 10 || back.Of("b") != 11 {
		t.Errorf("%q is %+v, %v", text, back, err)
	}
	if again := back.String(); again != text {
		t.Errorf("written again it is %q, was %q", again, text)
	}
}
