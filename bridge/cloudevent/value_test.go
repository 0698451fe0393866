package cloudevent

import "testing"

func FuzzAValueComesBackAsItWas(f *testing.F) {
	for _, s := range []string{"", "plain", "a b", `"quoted"`, "100%", "%41", "größe\r\n", "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		encoded := Encoded(value)
		for i := range len(encoded) {
			if c := encoded[i]; c <= ' ' || c >= 0x7f {
				t.Fatalf("%q is encoded as %q", value, encoded)
			}
		}
		if got := Decoded(encoded); got != value {
			t.Fatalf("%q comes back as %q from %q", value, got, encoded)
		}
	})
}
