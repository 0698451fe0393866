package main

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// binary is the weft binary to test, as WEFT_BINARY names it; "" builds one.
var binary = os.Getenv("WEFT_BINARY")

func TestMain(m *testing.M) {
	// A node refuses a variable of its section that it does not know.
	os.Unsetenv("WEFT_BINARY")
	flag.Parse()
	// Whoever watches the page mostly waits, whatever the number of processors.
	if err := flag.Set("test.parallel", "5"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
