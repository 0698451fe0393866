// Package deploy tests what is in the folder deploy: the unit runs under systemd,
// with little to abuse, and the image's health check tells.
package deploy

import (
	"os"
	"testing"

	"weft/test/stage"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stage.RemoveBinary()
	os.Exit(code)
}
