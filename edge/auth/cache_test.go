package auth

import (
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"
)

func TestACachedTokenEndsOnTime(t *testing.T) {
	v := newVerifier(t, hmacConfig())
	token := signHMAC(t, nil)
	first, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	again, err := v.Verify(t.Context(), token)
	if err != nil || again != first {
		t.Errorf("the second check gives %p, %v; want the same identity %p", again, err, first)
	}
	v.now = func() time.Time { return first.Expires }
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrExpired) {
		t.Errorf("at its end the token gives %v", err)
	}
}

func TestACacheForgetsTheLeastRecentlyUsed(t *testing.T) {
	c, now := newCache(2), time.Now()
	id := &Identity{Expires: now.Add(time.Minute)}
	sum := func(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }
	c.put(sum("a"), 0, id)
	c.put(sum("b"), 0, id)
	c.get(sum("a"), 0, now)
	c.put(sum("c"), 0, id)
	c.put(sum("c"), 0, id)
	for s, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if got := c.get(sum(s), 0, now) != nil; got != want {
			t.Errorf("%s is there: %v", s, got)
		}
	}
	if c.get(sum("a"), 1, now) != nil || len(c.byKey) != 1 || c.order.older.older != &c.order {
		t.Error("an entry of earlier keys stays")
	}
}

func TestVerifyIsSafeForConcurrentUse(t *testing.T) {
	v := newVerifier(t, hmacConfig())
	good, bad := signHMAC(t, nil), signHMAC(t, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if _, err := v.Verify(t.Context(), good); err != nil {
					t.Error(err)
				}
				if _, err := v.Verify(t.Context(), bad); err == nil {
					t.Error("a bad token is accepted")
				}
				v.keysChanged()
			}
		})
	}
	all.Wait()
}
