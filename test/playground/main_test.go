package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// binary is the weft binary to test, as WEFT_BINARY names it; "" builds one.
var binary = os.Getenv("WEFT_BINARY")

func TestMain(m *testing.M) {
	// A node refuses a variable of its section that it does not know.
	os.Unsetenv("WEFT_BINARY")
	goleak.VerifyTestMain(m)
}
