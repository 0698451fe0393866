package main

import (
	"errors"
	"net"
	"strings"
	"testing"
)

// anyPort wishes for free ports, so that tests disturb nobody.
var anyPort = addresses{Page: "127.0.0.1:0", Public: "127.0.0.1:0", Admin: "127.0.0.1:0", NATS: "127.0.0.1:0", Kafka: "127.0.0.1:0", Shop: "127.0.0.1:0"}

func TestATakenPortIsNamedAndReplaced(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	wish := anyPort
	wish.Kafka = other.Addr().String()

	var out strings.Builder
	held, err := reserve(wish.wishes(), &out)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	got := held.addresses().Kafka
	if got == wish.Kafka {
		t.Fatalf("the broker got %s, which is taken", got)
	}
	if want := wish.Kafka + " (Kafka broker) is taken; using " + got + " instead\n"; out.String() != want {
		t.Errorf("said %q, want %q", out.String(), want)
	}
}

func TestAReleasedPortIsFree(t *testing.T) {
	held, err := reserve(anyPort.wishes(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	addr := held.addresses().Public
	if ln, err := net.Listen("tcp", addr); err == nil {
		ln.Close()
		t.Fatalf("%s is free while it is held", addr)
	}
	held.release(addrPublic)
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("listen on a released port: %v", err)
	}
	ln.Close()
}

func TestNothingListensBeyondLoopback(t *testing.T) {
	for _, addr := range []string{":4100", "0.0.0.0:4100", "192.0.2.1:4100", "example.org:4100"} {
		wish := anyPort
		wish.Page = addr
		held, err := reserve(wish.wishes(), t.Output())
		if err == nil {
			held.Close()
			t.Errorf("listens on %s", addr)
			continue
		}
		var h *hintError
		if !errors.As(err, &h) {
			t.Errorf("%s: error %v has no hint", addr, err)
		}
	}
}
