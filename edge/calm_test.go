package edge

import "testing"

func TestAStormIsOverOnceWhenNoMoreConnectionsComeOrGo(t *testing.T) {
	var s storm
	for i, c := range []struct {
		moved int64
		over  bool
	}{
		{0, false}, {5, false}, {500, false}, {500, false}, // few
		{1100, false}, {9000, false}, {9005, true}, {9005, false}, // many, and then none
		{9500, false}, {9990, false}, {10100, false}, {10100, true}, // many after all
		{10111, false},
	} {
		if got := s.over(c.moved); got != c.over {
			t.Errorf("look %d, %d moved: over %v, want %v", i, c.moved, got, c.over)
		}
	}
}
