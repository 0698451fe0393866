package main

import (
	"errors"
	"testing"

	"github.com/spf13/cobra"
)

func TestAListenerIsNamedByAddressOrURL(t *testing.T) {
	for text, want := range map[string]string{
		"n2:4010":             "http://n2:4010",
		"127.0.0.1:4010":      "http://127.0.0.1:4010",
		"[::1]:4010":          "http://[::1]:4010",
		":4010":               "http://127.0.0.1:4010",
		"0.0.0.0:4010":        "http://127.0.0.1:4010",
		"[::]:4010":           "http://127.0.0.1:4010",
		"http://n2:4010":      "http://n2:4010",
		"https://x.org/admin": "https://x.org/admin",
		"n2":                  "",
		"n2:":                 "",
		"":                    "",
		"user@n2:4010":        "",
		"n2/x:4010":           "",
		"ftp://n2":            "",
		"http://":             "",
		"http://n 2":          "",
	} {
		have := text
		err := listenerURL(&cobra.Command{Use: "x"}, "admin", 4010, &have)
		var typed *usageError
		switch {
		case want == "" && !errors.As(err, &typed):
			t.Errorf("%q: %s, %v; want a usage error", text, have, err)
		case want != "" && (err != nil || have != want):
			t.Errorf("%q: %s, %v; want %s", text, have, err, want)
		}
	}
}
