package feed_test

import (
	"errors"
	"fmt"
	"testing"

	"weft/jetstream/feed"
)

// wildcards are n distinct ones.
func wildcards(of string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("topic.%s%d.*", of, i)
	}
	return list
}

// followAs follows subjects as a connection of an owner.
func followAs(t testing.TB, h *site, owner string, subjects ...string) (*client, *feed.Reader, error) {
	t.Helper()
	c := newClient(t)
	c.owner = owner
	r, err := h.Follow(t.Context(), subjects, feed.Start{}, c)
	if err == nil {
		t.Cleanup(r.Close)
	}
	return c, r, err
}

func TestOneOwnerLeavesWildcardsToTheOthers(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	_, first, err := followAs(t, h, "ann", wildcards("a", feed.MaxShare/2)...)
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := followAs(t, h, "ann", wildcards("b", feed.MaxShare/2)...)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := followAs(t, h, "ann", "user.ann", "topic.more.*"); !errors.Is(err, feed.ErrShare) {
		t.Errorf("one more for ann: %v, want %v", err, feed.ErrShare)
	}
	if err := second.Subscribe(t.Context(), []string{"topic.more.*"}, ""); !errors.Is(err, feed.ErrShare) {
		t.Errorf("one more for ann, later: %v, want %v", err, feed.ErrShare)
	}
	if _, _, err := followAs(t, h, "ann", append(wildcards("a", 3), "topic.exact")...); err != nil {
		t.Errorf("those that ann follows already: %v", err)
	}
	c, _, err := followAs(t, h, "bob", "topic.more.*", "topic.a0.*")
	if err != nil {
		t.Fatalf("one for bob: %v", err)
	}
	publish(t, h, "topic.more.x", 1, 1)
	c.untilEvents(1)
	if _, _, err := followAs(t, h, "ann", "topic.more.*"); !errors.Is(err, feed.ErrShare) {
		t.Errorf("one of bob's for ann: %v, want %v", err, feed.ErrShare)
	}
	first.Unsubscribe(wildcards("a", 1)) // her other connection has gone on with it
	first.Close()
	if _, _, err := followAs(t, h, "ann", wildcards("c", feed.MaxShare/2-3)...); err != nil {
		t.Errorf("what a connection has let go is not free: %v", err)
	}
	if _, _, n := h.Wildcards("ann"); n > feed.MaxShare {
		t.Errorf("ann follows %d", n)
	}
}

func TestTheWildcardsOfANodeAreBounded(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	var readers []*feed.Reader
	for i := range feed.MaxPatterns / feed.MaxShare {
		_, r, err := followAs(t, h, fmt.Sprint(i), wildcards(fmt.Sprint("u", i, "x"), feed.MaxShare)...)
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
	}
	_, _, err := followAs(t, h, "ann", "topic.more.*")
	if !errors.Is(err, feed.ErrPatterns) || errors.Is(err, feed.ErrShare) {
		t.Fatalf("one too many: %v, want %v", err, feed.ErrPatterns)
	}
	if _, _, err := followAs(t, h, "ann", "topic.u0x0.*"); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	readers[1].Close() // its wildcards linger, but stand in nobody's way
	for i := range 3 {
		_, r, err := followAs(t, h, "ann", wildcards(fmt.Sprint("m", i, "x"), feed.MaxShare-1)...)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		r.Close()
	}
	if all, owners, _ := h.Wildcards(""); all > feed.MaxPatterns || owners > 2 {
		t.Errorf("%d wildcards, shares of %d owners", all, owners)
	}
}

func TestWildcardsThatAreExchangedLeaveTheirPlaces(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r, err := followAs(t, h, "ann", wildcards("a", feed.MaxShare)...)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := followAs(t, h, "eve", wildcards("e", feed.MaxPatterns-feed.MaxShare)...); err != nil {
		t.Fatal(err)
	}
	_, other, err := followAs(t, h, "ann", "topic.a0.*")
	if err != nil {
		t.Fatal(err)
	}
	// What her other connection follows has no place to leave.
	if err := r.Exchange(t.Context(), []string{"topic.more.*"}, "", []string{"topic.a0.*", "topic.none.*", "topic.b"}); !errors.Is(err, feed.ErrShare) {
		t.Errorf("instead of one that stays: %v, want %v", err, feed.ErrShare)
	}
	other.Close()
	if err := r.Exchange(t.Context(), wildcards("b", 3), "", wildcards("a", 2)); !errors.Is(err, feed.ErrShare) {
		t.Errorf("three for two: %v, want %v", err, feed.ErrShare)
	}
	if got := len(r.Subjects()); got != feed.MaxShare {
		t.Fatalf("an exchange that fails leaves %d subjects", got)
	}
	if err := r.Exchange(t.Context(), wildcards("b", feed.MaxShare), "", wildcards("a", feed.MaxShare)); err != nil {
		t.Fatalf("all for as many: %v", err)
	}
	publish(t, h, "topic.a1.x", 1, 1)
	publish(t, h, "topic.b1.x", 2, 1)
	c.untilEvents(1)
	if _, _, n := h.Wildcards("ann"); n != feed.MaxShare || len(r.Subjects()) != feed.MaxShare {
		t.Errorf("ann follows %d wildcards, %d subjects", n, len(r.Subjects()))
	}
	if _, _, err := followAs(t, h, "ann", "topic.more.*"); !errors.Is(err, feed.ErrShare) {
		t.Errorf("one more: %v, want %v", err, feed.ErrShare)
	}
}
