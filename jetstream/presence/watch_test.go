package presence

import (
	"testing"
	"testing/synctest"
	"time"
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

func TestADeadNodesConnectionsAreGoneWithinSixSeconds(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n3"].set("user.ann", 1)
		c.nodes["n2"].set("user.bob", 1)
		gone, stays := c.nodes["n1"].follow(t, "user.ann", false), c.nodes["n1"].follow(t, "user.bob", false)
		gone.expect(2*time.Second, "1")
		stays.expect(0, "1")
		c.kill("n3")
		gone.expect(4900*time.Millisecond, "")
		gone.expect(1000*time.Millisecond, "0?")
		stays.expect(time.Minute, "1?")
		gone.expect(time.Minute, "")
		n3 := c.start("n3")
		n3.set("user.ann", 1)
		gone.expect(time.Second, "1")
		stays.expect(time.Second, "1")
	})
}
