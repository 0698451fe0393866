package origin_test

import (
	"strings"
	"testing"

	"weft/edge/origin"
)

func TestAnOriginIsWrittenAsBrowsersSendIt(t *testing.T) {
	for s, want := range map[string]string{
		"https://app.example.com": "", "http://localhost:3000": "", "http://[::1]:80a": "is no origin", "https://a.example:8443": "", "capacitor://localhost": "",
		"*": "is refused", "a.example": "is no origin", "": "is no origin", "https://": "is no origin",
		"https://a.example/": "is more than an origin", "https://u@a.example": "is more than an origin", "https://a.example?x": "is more than an origin",
		"https://A.example": "must be in lower case", "https://*.example": "a pattern is refused",
		"https://a.example:443": "names the default port", "http://a.example:80": "names the default port",
	} {
		err := origin.Check(s)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
	}
}
