package stage

import (
	"testing"

	"weft/config/testkit/freeport"
)

// FreeAddress returns a loopback address that nobody listens on, and that nobody is
// given meanwhile.
func FreeAddress(t testing.TB) string {
	t.Helper()
	addresses, err := FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return addresses[0]
}

// FreeAddresses returns n different ones, for programs that are no test.
func FreeAddresses(n int) ([]string, error) { return freeport.Addresses("127.0.0.1", n) }
