package presence

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"
)

// loseNode tests what followers on n1 are told of two connections, one of them on n3, when
// lose lets the link to n3 end.
func loseNode(t *testing.T, lose func(c *cluster), want string) {
	t.Helper()
	together(t, func(t *testing.T, c *cluster) {
		c.set(c.behind, "n3", t.Name() == "TestANodeBehindAProxyMayBeThere")
		c.nodes["n3"].set("user.ann", 1)
		c.nodes["n2"].set("user.bob", 1)
		ann, bob := c.nodes["n1"].follow(t, "user.ann", false), c.nodes["n1"].follow(t, "user.bob", false)
		ann.expect(2*time.Second, "1")
		bob.expect(0, "1")
		lose(c)
		ann.expect(time.Minute, "0"+want)
		if want != "" {
			want = "1" + want
		}
		bob.expect(0, want)
	})
}

func TestANodeWhoseHostAnswersNothingMayBeThere(t *testing.T) {
	loseNode(t, func(c *cluster) { c.set(c.away, "n3", true); c.kill("n3") }, "?")
}

func TestANodeThatIsReachedAndNotLinkedIsThere(t *testing.T) {
	loseNode(t, func(c *cluster) { c.set(c.open, "n3", true); c.setCut("n1", "n3", true) }, "?")
}

func TestANodeBehindAProxyMayBeThere(t *testing.T) {
	loseNode(t, func(c *cluster) { c.kill("n3") }, "?")
}

func TestANodeThatRestartsItsServerIsThere(t *testing.T) {
	loseNode(t, func(c *cluster) {
		c.nodes["n3"].Unlink(c.t.Context())
		c.set(c.shut, "n3", true)
		c.set(c.open, "n3", true)
		c.setCut("n1", "n3", true)
	}, "?")
}

// A node that has ended is one of those that are heard for as long as its host says so.
func TestANodeThatHasEndedAndIsThereAgainIsAskedBeforeItCounts(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n2"].set("user.ann", 1)
		d := c.nodes["n1"].follow(t, "user.ann", false)
		d.expect(2*time.Second, "1")
		c.kill("n3")
		d.expect(time.Minute, "")
		c.set(c.open, "n3", true)
		c.setCut("n1", "n3", true)
		n3 := c.start("n3")
		n3.set("user.ann", 1)
		d.expect(4*time.Second, "") // it is not linked yet
		d.expect(4*time.Second, "1?")
		c.setMute("n3", true)
		c.setCut("n1", "n3", false)
		d.expect(4*time.Second, "") // it is, and has not answered
		c.setMute("n3", false)
		d.expect(8*time.Second, "2")
		c.kill("n3")
		d.expect(6*time.Second, "1")
		c.set(c.away, "n3", true) // its host goes, too, and another one may have its name
		d.expect(time.Minute, "1?")
		c.set(c.away, "n3", false)
		c.start("n3")
		d.expect(4*time.Second, "1")
		c.kill("n3")
		d.expect(time.Minute, "")
		c.set(c.removed, "n3", true) // and n4 is in its place, which nobody has heard
		d.expect(time.Minute, "1?")
	})
}

func TestTheAddressOfANodeIsOneOfItsOwn(t *testing.T) {
	listens := []string{"127.0.0.1:6222", "10.0.0.3:6222", "[fd00::3]:6222", "no address", "n3:6222"}
	for ip, want := range map[string]string{"10.0.0.3": "10.0.0.3:6222", "::ffff:10.0.0.3": "10.0.0.3:6222", "fd00::3": "[fd00::3]:6222",
		"10.0.0.99": "", "": "", "n3": ""} {
		if got := addressOf(ip, listens); got != want {
			t.Errorf("at %q: %q, want %q", ip, got, want)
		}
	}
	if got := addresses("10.0.0.3:6222"); !slices.Equal(got, []string{"10.0.0.3:6222"}) {
		t.Error(got)
	}
	for _, all := range []string{":6222", "0.0.0.0:6222", "[::]:6222"} {
		if got := addresses(all); !slices.Contains(got, "127.0.0.1:6222") {
			t.Errorf("%s: %v", all, got)
		}
	}
	if got := addresses(""); got != nil {
		t.Error(got)
	}
}

func TestAHostRefusesWhereNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := knock(context.Background(), l.Addr().String()); err != nil {
		t.Error(err)
	}
	_ = l.Close()
	if err := knock(context.Background(), l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}
