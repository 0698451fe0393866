package stage

import (
	"net"
	"testing"
)

// FreeAddress returns a loopback address that nobody listens on at the moment.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free address: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}
