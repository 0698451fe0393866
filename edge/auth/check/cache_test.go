package check

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weft/edge/auth"
	"weft/edge/problem"
)

func TestAnAnswerCountsForAWhileForOneTokenAndSubject(t *testing.T) {
	d := open(t, func(c *auth.CheckConfig) { c.Cache = time.Minute })
	first := d.identity("ann", map[string]any{"jti": "s1", "exp": time.Now().Add(time.Hour).Unix()})
	ask := func(id *auth.Identity) {
		d.want("a yes", d.MayFollow(t.Context(), id, "topic.yes"), "")
		d.want("a no", d.MayFollow(t.Context(), id, "topic.no"), problem.Forbidden)
	}
	ask(first)
	ask(first)
	d.pass(time.Minute - time.Second)
	ask(first)
	d.wantAsked("within the time", 2)
	d.pass(time.Second)
	ask(first)
	d.wantAsked("after it", 4)
	ask(d.identity("ann", map[string]any{"jti": "s1", "exp": time.Now().Add(2 * time.Hour).Unix()}))
	d.wantAsked("with a refreshed token of the same session", 6)
	ask(d.identity("ann", map[string]any{"jti": "s2"}))
	d.wantAsked("with another session", 8)
	d.want("another action", d.MayPublish(t.Context(), first, "topic.yes"), "")
	d.wantAsked("for another action", 9)
	if got := testutil.ToFloat64(d.metrics.cached); got != 4 {
		t.Errorf("%v decisions were counted as cached", got)
	}
}

func TestWithoutACacheEachTimeIsAskedFor(t *testing.T) {
	d := open(t, func(c *auth.CheckConfig) { c.Cache = 0 })
	ann := d.identity("ann", nil)
	for range 3 {
		d.want("a yes", d.MayFollow(t.Context(), ann, "topic.yes"), "")
	}
	d.wantAsked("three times", 3)
}

func TestTheCacheForgetsWhatNobodyLooksForAndNeverGrowsBeyondItsSize(t *testing.T) {
	c, now := newCache(100), time.Now()
	keyOf := func(i int) (k key) { k[0], k[1] = byte(i), byte(i>>8); return k }
	for i := range 5000 {
		c.put(keyOf(i), i%2 == 0, now.Add(time.Minute))
		if c.len() > 100 {
			t.Fatalf("it has %d entries", c.len())
		}
		if i > 0 {
			if allowed, ok := c.get(keyOf(0), now); !ok || !allowed {
				t.Fatalf("after %d others, what is looked for is gone", i)
			}
		}
	}
	if _, ok := c.get(keyOf(1), now); ok {
		t.Error("what nobody looked for is still there")
	}
	c.put(keyOf(4999), true, now.Add(time.Minute))
	if allowed, ok := c.get(keyOf(4999), now); !ok || !allowed {
		t.Error("the newer answer does not count")
	}
}
