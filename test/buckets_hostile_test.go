package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A condition that the stream looks at only when all its members have agreed on the
// message ends a stream on every node. Nobody who writes a bucket can set one.
func TestNobodyStopsABucketWithAHeader(t *testing.T) {
	for _, who := range []trespasser{{name: "local client"}, {name: "operator", user: "ops", password: "ops-pw", users: true}} {
		t.Run(who.name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 8*time.Minute)
			nodes := startWall(t, ctx, 3, who.users)
			c := connectRaw(t, nodes[0], who.user, who.password)
			c.say("SUB _INBOX.evil.1 1\r\n")
			c.publish("$KV.blacklist.fine", "_INBOX.evil.1", "", "1")
			eventually(t, time.Minute, "what may be written is acknowledged", func() bool { return len(c.hears()) == 1 })
			if heard := c.hears()[0]; !strings.Contains(heard, `"seq":`) || strings.Contains(heard, "error") {
				t.Fatalf("the writer hears %q", heard)
			}
			for i, header := range hostileHeaders {
				c.publish("$KV.blacklist.x", "_INBOX.evil.1", header, "1")
				c.publish("$KV.blacklist.x", "_INBOX.evil.1", header, "")
				c.publish("$KV.routes.x", "", header, "1")
				c.flush()
				eventually(t, time.Minute, "the writer is answered twice for each", func() bool { return len(c.hears()) >= 2*(i+1)+1 })
				for j, n := range nodes {
					path := fmt.Sprintf("/_weft/v1/blacklist/s%d-%d", i, j)
					eventually(t, time.Minute, fmt.Sprintf("node %d takes an entry after %q", j, header), func() bool {
						status, _ := admin(t, n, http.MethodPut, path, "")
						return status < 300
					})
				}
			}
			if heard := c.hears(); !strings.Contains(heard[len(heard)-1], "not for those who write buckets") {
				t.Errorf("the writer hears %q", heard[len(heard)-1])
			}
			for j, n := range nodes {
				routed, body := admin(t, n, http.MethodPut, "/_weft/v1/routes/r-"+fmt.Sprint(j), `{"pattern":"GET /r/`+fmt.Sprint(j)+`","target":"http://127.0.0.1:1/"}`)
				if routed >= 300 {
					t.Errorf("put a route: %d %s", routed, body)
				}
				eventually(t, 30*time.Second, "all nodes have all entries", func() bool {
					ok := true
					for i := range hostileHeaders {
						status, _ := admin(t, n, http.MethodGet, fmt.Sprintf("/_weft/v1/blacklist/s%d-0", i), "")
						ok = ok && status == http.StatusOK
					}
					return ok
				})
			}
		})
	}
}

var hostileHeaders = []string{
	"Nats-Expected-Last-Sequence: 999\r\n",
	"Nats-Expected-Last-Sequence: x\r\n",
	"Nats-Expected-Last-Subject-Sequence: 999\r\n",
	"Nats-Expected-Last-Subject-Sequence: -1\r\n",
	"Nats-Expected-Last-Subject-Sequence: 0\r\nNats-Expected-Last-Subject-Sequence-Subject: $KV.blacklist.>\r\n",
	"Nats-Expected-Last-Subject-Sequence-Subject: $KV.blacklist.>\r\n",
	"Nats-Expected-Stream: EVENTS\r\n",
	"Nats-Rollup: x\r\n", "Nats-Rollup: sub\r\n",
	"Nats-TTL: x\r\n", "Nats-TTL: -5\r\n", "Nats-TTL: 1s\r\n", "Nats-TTL: 99999999999999999999s\r\n", "Nats-TTL: never\r\n",
	"Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: 1\r\n", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: x\r\n", "Nats-Batch-Id: b\r\n",
	"Nats-Incr: 1\r\n", "Nats-Incr: x\r\n",
	"Nats-Schedule: @every 1s\r\nNats-Schedule-Target: $KV.routes.y\r\n", "Nats-Schedule: x\r\n", "Nats-Scheduler: x\r\nNats-Schedule-Next: purge\r\n",
	"Nats-Marker-Reason: MaxAge\r\n", "Nats-Stream-Source: EVENTS 1\r\n", "Nats-Msg-Id: one\r\n", "Nats-Msg-Id: one\r\n",
	"no header\r\n", ": x\r\n", "a b: c\r\n", "a\r\n Nats-Expected-Last-Msg-Id: nobody's\r\n", "a: b\rNats-Expected-Last-Msg-Id: nobody's\r\n",
	"Nats-Expected-Last-Msg-Id: nobody's\r\n",
}
