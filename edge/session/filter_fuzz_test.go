package session

import "testing"

func FuzzTypeFilter(f *testing.F) {
	f.Add("order.*", "order.paid")
	f.Add("order", "order.paid")
	f.Fuzz(func(t *testing.T, pattern, typ string) {
		filter, err := ParseFilter([]string{pattern})
		if err != nil {
			return
		}
		if filter.Wants(typ) && typ != pattern && !(len(typ) >= len(pattern)-1 && typ[:len(pattern)-1]+"*" == pattern) {
			t.Errorf("%q passes %q", typ, pattern)
		}
	})
}
