package access

import (
	"errors"
	"net/netip"
	"testing"
)

func TestConnectionsWithoutASessionAreCountedByAddress(t *testing.T) {
	l, err := NewLimiter(Limits{PerAddress: leastRoom + 4}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ann, bob := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	var peers []*Peer
	arrive := func(a netip.Addr, ok bool) {
		t.Helper()
		p, err := l.Arrive(a)
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrLimit) {
			t.Fatalf("arrival %d: %v, want %v", len(peers), err, ok)
		}
		if err == nil {
			peers = append(peers, p)
		}
	}
	for range leastRoom + 4 {
		arrive(ann, true)
	}
	arrive(ann, false)
	arrive(bob, true)
	peers[0].Begin() // it is a session's now, and makes room
	peers[0].Begin()
	arrive(ann, true)
	arrive(ann, false)
	peers[0].End()
	arrive(ann, false)
	peers[0].End() // a poll between two is one without
	peers[1].Close()
	arrive(ann, false)
	peers[2].Close()
	peers[2].Close()
	arrive(ann, true)
	arrive(ann, false)
	peers[3].Begin()
	peers[3].Close()
	peers[3].End() // which is told late
	arrive(ann, true)
	arrive(ann, false)
	for _, p := range peers {
		p.Close()
	}
	if len(l.idle) != 0 {
		t.Errorf("all are gone, and counted: %v", l.idle)
	}
}

func TestASmallLimitLeavesRoomToBeToldSo(t *testing.T) {
	l, err := NewLimiter(Limits{PerAddress: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range leastRoom + 1 {
		if _, err := l.Arrive(netip.MustParseAddr("2001:db8::1")); (err == nil) != (i < leastRoom) {
			t.Errorf("arrival %d: %v", i, err)
		}
	}
	if _, err := l.Arrive(netip.MustParseAddr("2001:db8::2")); err == nil {
		t.Error("an address of the same network is counted apart")
	}
}

func TestWithoutALimitNothingIsCounted(t *testing.T) {
	l, err := NewLimiter(Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.Arrive(netip.MustParseAddr("192.0.2.1"))
	if p != nil || err != nil {
		t.Errorf("%v %v", p, err)
	}
	p.Begin()
	p.End()
	p.Close()
}
