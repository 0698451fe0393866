package config_test

import (
	"testing"

	"weft/config"
)

func TestAddressesThatExcludeEachOtherAreFound(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{":4000", ":4000", true},
		{":4000", "127.0.0.1:4000", true},
		{":4000", "[::1]:4000", true},
		{"0.0.0.0:4000", "127.0.0.1:4000", true},
		{"0.0.0.0:4000", "[::1]:4000", false},
		{"0.0.0.0:4000", "[::]:4000", true},
		{"[::]:4000", "10.0.0.1:4000", true},
		{"localhost:4000", "127.0.0.1:4000", true},
		{"127.0.0.1:4000", "127.0.0.2:4000", false},
		{"127.0.0.1:4000", "127.0.0.1:4001", false},
		{"127.0.0.1:04000", "127.0.0.1:4000", true},
		{"weft:4000", "weft:4000", true},
		{"weft:4000", "other:4000", false},
		{":0", ":0", false},
		{"nonsense", "nonsense", false},
	} {
		if config.SameListener(c.a, c.b) != c.same || config.SameListener(c.b, c.a) != c.same {
			t.Errorf("%s and %s: want %v", c.a, c.b, c.same)
		}
	}
}
