package presence

import (
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// together runs a test with a cluster of three in a bubble of time.
func together(t *testing.T, test func(t *testing.T, c *cluster)) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "n1", "n2", "n3")
		defer c.close()
		test(t, c)
	})
}

func TestAFollowerIsToldOfAllConnectionsInTheClusterAndOfChanges(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n2"].set("user.ann", 2)
		c.nodes["n3"].set("user.ann", 1)
		d := c.nodes["n1"].follow(t, "user.ann", false)
		d.expect(100*time.Millisecond, "3")
		time.Sleep(2 * time.Second)
		c.nodes["n3"].set("user.ann", 2)
		d.expect(200*time.Millisecond, "")
		d.expect(150*time.Millisecond, "4")
		c.nodes["n1"].set("user.ann", 1)
		d.expect(900*time.Millisecond, "")
		d.expect(200*time.Millisecond, "5")
		c.nodes["n2"].set("user.ann", 0)
		d.expect(4900*time.Millisecond, "")
		d.expect(300*time.Millisecond, "3")
		d.stop()
		c.nodes["n2"].set("user.ann", 7)
		d.expect(time.Minute, "")
	})
}

func TestAReloadShowsNothingWhicheverNodeItComesTo(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n2"].set("user.ann", 1)
		d := c.nodes["n1"].follow(t, "user.ann", false)
		d.expect(time.Second, "1")
		for i := range 100 {
			from, to := "n2", "n3"
			if i%2 == 1 {
				from, to = to, from
			}
			c.nodes[from].set("user.ann", 0)
			time.Sleep(time.Duration(i) * 49 * time.Millisecond)
			c.nodes[to].set("user.ann", 1)
			time.Sleep(time.Duration(i) * 7 * time.Millisecond)
		}
		d.expect(time.Minute, "")
	})
}

func TestAPageThatWasOpenForAMomentWasThere(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n2"].set("user.ann", 1)
		d, own := c.nodes["n1"].follow(t, "user.ann", false), c.nodes["n3"].follow(t, "user.ann", false)
		d.expect(time.Second, "1")
		own.expect(0, "1")
		c.nodes["n2"].set("user.ann", 0)
		for i := range 10 {
			time.Sleep(4500 * time.Millisecond)
			on := c.nodes[[]string{"n2", "n3"}[i%2]]
			on.set("user.ann", 1)
			time.Sleep(time.Millisecond)
			on.set("user.ann", 0)
		}
		d.expect(0, "")
		own.expect(0, "")
		d.expect(6*time.Second, "0")
		own.expect(0, "0")
	})
}

func TestADeadNodesConnectionsAreGoneWithinSixSeconds(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n3"].set("user.ann", 1)
		c.nodes["n2"].set("user.bob", 1)
		gone, stays := c.nodes["n1"].follow(t, "user.ann", false), c.nodes["n1"].follow(t, "user.bob", false)
		gone.expect(2*time.Second, "1")
		stays.expect(0, "1")
		c.kill("n3")
		gone.expect(4900*time.Millisecond, "")
		gone.expect(1000*time.Millisecond, "0")
		stays.expect(time.Minute, "") // the host says that nobody is there who could have others
		late := c.nodes["n2"].follow(t, "user.bob", false)
		late.expect(2*time.Second, "1?, 1") // n1 says that it has ended
		gone.expect(time.Minute, "")
		n3 := c.start("n3")
		n3.set("user.ann", 1)
		gone.expect(time.Second, "1")
		stays.expect(time.Minute, "")
	})
}

// Whatever was shown just before, all of a dead node is within six seconds, and a frame a
// second is all that there is.
func TestAFallJustBeforeANodeDiesDelaysNothing(t *testing.T) {
	for between := time.Duration(0); between < time.Second; between += 50 * time.Millisecond {
		together(t, func(t *testing.T, c *cluster) {
			c.nodes["n3"].set("user.ann", 1)
			c.nodes["n2"].set("user.ann", 2)
			d := c.nodes["n1"].follow(t, "user.ann", false)
			d.expect(2*time.Second, "3")
			c.nodes["n2"].set("user.ann", 1)
			time.Sleep(between)
			c.kill("n3")
			d.after(6 * time.Second)
			if s := d.state(); s.Connections != 1 || !s.Complete {
				t.Errorf("a node died %v after a page was left; after six seconds: %+v", between, s)
			}
		})
	}
}

func TestWhileANodeIsAwayTheStateSaysThatItIsNotComplete(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n2"].set("user.ann", 1)
		c.nodes["n3"].set("user.ann", 1)
		d := c.nodes["n1"].follow(t, "user.ann", false)
		d.expect(2*time.Second, "2")
		c.setCut("n1", "n3", true)
		d.expect(4900*time.Millisecond, "") // a link that is made anew at once shows nothing
		d.expect(500*time.Millisecond, "1?")
		late := c.nodes["n1"].follow(t, "user.ann", false)
		late.expect(100*time.Millisecond, "1?")
		c.nodes["n3"].set("user.ann", 5)
		d.expect(time.Minute, "")
		c.setCut("n1", "n3", false)
		d.expect(time.Second, "6")
		for range 10 {
			c.setCut("n1", "n3", true)
			time.Sleep(4 * time.Second)
			c.setCut("n1", "n3", false)
			time.Sleep(time.Second)
		}
		d.expect(time.Minute, "")
	})
}

func TestANodeThatIsLinkedAndDoesNotAnswerIsMissing(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n3"].set("user.ann", 1)
		c.setMute("n3", true)
		d := c.nodes["n1"].follow(t, "user.ann", false)
		d.expect(1200*time.Millisecond, "0?")
		c.setMute("n3", false)
		d.expect(8*time.Second, "1")
		// An answer that is late now and then is nothing.
		for range 10 {
			c.setMute("n3", true)
			c.nodes["n1"].watchers.missed()
			time.Sleep(400 * time.Millisecond)
			c.setMute("n3", false)
			time.Sleep(10 * time.Second)
		}
		d.expect(time.Minute, "")
		c.setMute("n3", true)
		d.expect(time.Minute, "1?")
	})
}

func TestAProcessThatHasEndedIsNotBelieved(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.delay = func() time.Duration { return 20 * time.Second }
		n3 := c.nodes["n3"]
		n3.set("user.ann", 1)
		d := c.nodes["n1"].follow(t, "user.ann", false)
		d.expect(time.Second, "1")
		n3.set("user.ann", 9)
		time.Sleep(100 * time.Millisecond) // the hint is on its way
		c.kill("n3")
		n3 = c.start("n3")
		n3.mu.Lock()
		n3.counts["user.ann"] = 1 // its hint came long ago
		n3.mu.Unlock()
		d.expect(19*time.Second, "") // the name is linked again before its counts are gone
		d.expect(time.Minute, "")
	})
}

func TestAHintThatWasOvertakenChangesNothing(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		d := c.nodes["n1"].follow(t, "user.ann", false)
		d.expect(2*time.Second, "0")
		var slow atomic.Bool
		slow.Store(true)
		c.delay = func() time.Duration {
			if slow.Load() {
				return 10 * time.Second
			}
			return 0
		}
		c.nodes["n2"].set("user.ann", 9)
		time.Sleep(100 * time.Millisecond)
		slow.Store(false)
		c.nodes["n2"].set("user.ann", 2)
		d.expect(time.Second, "2")
		d.expect(time.Minute, "")
	})
}

func TestAPageThatComesAndGoesAtOnceShowsNothing(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		d := c.nodes["n1"].follow(t, "topic.hotel.42", false)
		d.expect(2*time.Second, "0")
		for range 50 {
			c.nodes["n2"].add("topic.hotel.42", 1)
			time.Sleep(100 * time.Millisecond)
			c.nodes["n2"].add("topic.hotel.42", -1)
			time.Sleep(500 * time.Millisecond)
		}
		d.expect(time.Minute, "")
	})
}

func TestABusySubjectIsToldOnceASecondAndWhatIsLastIsTold(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		d := c.nodes["n1"].follow(t, "topic.hotel.42", false)
		d.expect(2*time.Second, "0")
		var sum int
		for i := range 1000 {
			c.nodes[[]string{"n1", "n2", "n3"}[i%3]].add("topic.hotel.42", 1)
			sum++
			time.Sleep(10 * time.Millisecond)
		}
		d.mu.Lock()
		n := len(d.told)
		d.mu.Unlock()
		if n < 9 || n > 11 {
			t.Errorf("told %d times in 10 s", n)
		}
		time.Sleep(time.Second + settle)
		if d.state().Connections != sum {
			t.Errorf("in the end told %d of %d", d.state().Connections, sum)
		}
	})
}

func TestFollowersOfASubjectShareAWatcherAndManySubjectsAQuestion(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		const subjects = 1000
		var all []*diary
		for i := range subjects {
			s := "user.u" + strconv.Itoa(i)
			c.nodes["n2"].set(s, 1)
			for range 3 {
				all = append(all, c.nodes["n1"].follow(t, s, false))
			}
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		for _, d := range all {
			if d.state().Connections != 1 {
				t.Fatalf("told %+v", d.state())
			}
		}
		if n := c.nodes["n1"].watched(); n != subjects {
			t.Errorf("%d watchers", n)
		}
		if c.questions() > 10 {
			t.Errorf("%d questions for %d subjects", c.questions(), subjects)
		}
	})
}

func TestAWatcherStaysForAMomentForThoseWhoPoll(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n2"].set("user.ann", 1)
		for range 20 {
			d := c.nodes["n1"].follow(t, "user.ann", false)
			d.expect(100*time.Millisecond, "1")
			d.stop()
			d.stop()
			time.Sleep(linger - 100*time.Millisecond)
		}
		if c.questions() > 10 { // and those of the timer
			t.Errorf("%d questions", c.questions())
		}
		time.Sleep(time.Second)
		if n := c.nodes["n1"]; n.watched() != 0 || n.subscriptions("presence.ann") != 0 || n.watchers.has("user.ann") {
			t.Error("there still is a watcher")
		}
		sent := testutil.ToFloat64(c.nodes["n2"].hints.metrics.sent)
		c.nodes["n2"].set("user.ann", 2)
		time.Sleep(time.Second)
		if now := testutil.ToFloat64(c.nodes["n2"].hints.metrics.sent); now != sent {
			t.Error("a hint was sent to nobody")
		}
	})
}

func TestAStandaloneNodeTellsOfItsOwnConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "n1")
		defer c.close()
		n := c.nodes["n1"]
		d := n.follow(t, "user.ann", false)
		d.expect(2*time.Second, "0")
		n.set("user.ann", 1)
		d.expect(time.Second, "1")
		n.set("user.ann", 0)
		d.expect(6*time.Second, "0")
		if sent := testutil.ToFloat64(n.hints.metrics.sent); sent != 0 {
			t.Errorf("%v hints were sent", sent)
		}
	})
}
