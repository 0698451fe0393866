package freeport

import (
	"net"
	"testing"
)

func TestAddressesAreFreeAndGivenOnce(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		list, err := Addresses("127.0.0.1", 5)
		if err != nil || len(list) != 5 {
			t.Fatal(list, err)
		}
		for _, a := range list {
			if seen[a] {
				t.Errorf("%s was given twice", a)
			}
			seen[a] = true
			l, err := net.Listen("tcp", a)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
		}
	}
	if _, err := Addresses("192.0.2.1", 1); err == nil { // TEST-NET-1, which no machine has
		t.Error("an address that is not this machine's has free ports")
	}
}
