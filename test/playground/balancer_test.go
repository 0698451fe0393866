package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestAMissingBalancerIsToldWithAHint(t *testing.T) {
	_, err := findHAProxy(filepath.Join(t.TempDir(), "haproxy"))
	var h *hintError
	if !errors.As(err, &h) || !strings.Contains(h.hint, "apt install haproxy") {
		t.Errorf("error %v, want one with a hint", err)
	}
}
