package stage

import (
	"fmt"
	"net"
	"testing"
)

// FreeAddress returns a loopback address that nobody listens on at the moment.
func FreeAddress(t testing.TB) string {
	t.Helper()
	addresses, err := FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return addresses[0]
}

// FreeAddresses returns n different ones, for programs that are no test.
func FreeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free address: %w", err)
		}
		defer l.Close() // all at the end, so that none is found twice
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
