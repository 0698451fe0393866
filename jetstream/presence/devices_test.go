package presence

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// connect lets a node have exactly these connections of a subject, of which the first ones
// are older.
func (n *testNode) connect(s string, ids ...string) {
	var list []Device
	for i, id := range ids {
		list = append(list, Device{ID: id, Transport: "sse", Since: time.Unix(int64(len(id)*1000+i), 0).UTC(), Agent: "curl", Name: "phone"})
	}
	n.mu.Lock()
	n.devices[s] = list
	n.mu.Unlock()
	n.set(s, len(ids))
}

func TestDevicesAreToldToThoseWhoMaySeeThem(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n2"].connect("user.ann", "bb")
		c.nodes["n3"].connect("user.ann", "a", "ccc")
		sees, blind := c.nodes["n1"].follow(t, "user.ann", true), c.nodes["n1"].follow(t, "user.ann", false)
		sees.expect(3*time.Second, "3 a bb ccc")
		blind.expect(0, "3")
		for _, d := range sees.state().Devices {
			if want := map[string]string{"a": "n3", "bb": "n2", "ccc": "n3"}[d.ID]; d.Node != want || d.Name != "phone" || d.Agent != "curl" || d.Transport != "sse" {
				t.Errorf("%+v, want node %s", d, want)
			}
		}
		c.nodes["n2"].connect("user.ann", "bb", "ee")
		sees.expect(2*time.Second, "4 a bb ee ccc")
		blind.expect(0, "4")
		// A page is loaded again: it is another connection, and as many.
		c.nodes["n3"].connect("user.ann", "a")
		sees.expect(3*time.Second, "")
		c.nodes["n3"].connect("user.ann", "a", "dddd")
		sees.expect(2*time.Second, "4 a bb ee dddd")
		blind.expect(time.Minute, "")
		sees.expect(0, "")
		c.kill("n3")
		sees.expect(10*time.Second, "2 bb ee")
		blind.expect(0, "2")
		if c.nodes["n1"].watched() != 1 {
			t.Error("they do not share a watcher")
		}
		// Nobody asks for what nobody wants to know.
		sees.stop()
		if w := c.nodes["n1"].watchers.by["user.ann"]; w.list.known || w.list.shown != nil || w.entries[0].devices != nil {
			t.Errorf("%+v is kept for nobody", w.list)
		}
		late := c.nodes["n1"].follow(t, "user.ann", true)
		late.expect(time.Second, "2 bb ee")
	})
}

// The first state has the devices of a node, too, that leaves the first question unanswered.
func TestTheFirstStateHasTheDevicesOfASlowNode(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n2"].connect("user.ann", "a")
		c.setMute("n2", true)
		d := c.nodes["n1"].follow(t, "user.ann", true)
		synctest.Wait()
		c.setMute("n2", false)
		d.expect(3*time.Second, "1 a")
	})
}

func TestWhileConnectionsAreHeldTheirDevicesAre(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		c.nodes["n2"].connect("user.ann", "a", "b")
		d := c.nodes["n1"].follow(t, "user.ann", true)
		d.expect(2*time.Second, "2 a b")
		c.nodes["n2"].connect("user.ann", "b")
		time.Sleep(time.Second)
		c.nodes["n3"].connect("user.ann", "cc", "dd")
		d.expect(2*time.Second, "3 b cc dd")
		c.nodes["n3"].connect("user.ann")
		time.Sleep(4 * time.Second)
		c.setCut("n1", "n2", true)
		// What is shown of n3 ends first, and that n2 is not heard is shown with its end.
		d.expect(2*time.Second, "1 b")
		d.expect(10*time.Second, "0?")
	})
}

func TestAConnectionMoreOfAHotTopicIsNotAQuestionMore(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		d := c.nodes["n1"].follow(t, "topic.hotel.42", true)
		d.expect(2*time.Second, "0")
		before := c.questions()
		var ids []string
		for i := range 200 {
			ids = append(ids, fmt.Sprintf("id%03d", i))
			c.nodes["n2"].connect("topic.hotel.42", ids...)
			time.Sleep(50 * time.Millisecond)
		}
		if n := c.questions() - before; n > 25 {
			t.Errorf("%d questions in 10 s", n)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if last := d.state(); last.Connections != 200 || len(last.Devices) != MaxDevices || last.Devices[0].ID != "id000" {
			t.Errorf("in the end told %d, and %d devices", last.Connections, len(last.Devices))
		}
	})
}

func TestDevicesThatAreTooManyForOneAnswerComeInSeveral(t *testing.T) {
	together(t, func(t *testing.T, c *cluster) {
		var all []*diary
		for i := range 50 {
			s := fmt.Sprint("topic.t", i)
			var ids []string
			for k := range 2 * MaxDevices {
				ids = append(ids, fmt.Sprintf("%03d%s", k, strings.Repeat("x", 200)))
			}
			c.nodes["n2"].connect(s, ids...)
			all = append(all, c.nodes["n1"].follow(t, s, true))
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		for _, d := range all {
			if d.state().Connections != 2*MaxDevices || len(d.state().Devices) != MaxDevices {
				t.Fatalf("told %d, and %d devices", d.state().Connections, len(d.state().Devices))
			}
		}
		q, err := json.Marshal(question{Subjects: []string{"topic.t0"}, Devices: []string{"topic.t0", "topic.t1", "topic.t2", "topic.t3", "topic.t4", "topic.t5", "topic.t6", "topic.t7", "topic.t8", "topic.t9",
			"topic.t10", "topic.t11", "topic.t12", "topic.t13", "topic.t14", "topic.t15", "topic.t16", "topic.t17", "topic.t18", "topic.t19", "topic.t20"}})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.nodes["n2"].answer(t.Context(), q)); n > listBytes+1<<10 || n < listBytes/2 {
			t.Errorf("an answer has %d bytes", n)
		}
	})
}
