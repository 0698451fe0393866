package config_test

import (
	"testing"

	"weft/config"
)

func TestSizesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]config.Bytes{"0": 0, "512": 512, "64KiB": 64 << 10, "1 MiB": 1 << 20, "1GiB": 1 << 30, "10KB": 10_000, "2TB": 2e12, "7B": 7} {
		var b config.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: %d, %v", text, b, err)
		}
		var back config.Bytes
		if err := back.UnmarshalText([]byte(b.String())); err != nil || back != b {
			t.Errorf("%s is written as %s", text, b)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5GiB", "1PiB", "9999999999GiB", "1 Gib"} {
		var b config.Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, b)
		}
	}
}
