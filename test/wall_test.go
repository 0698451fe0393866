package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// The users of the NATS port in these tests, besides the nodes.
var wallUsers = []any{
	map[string]any{"name": "orders", "password": "orders-pw", "role": "publisher"},
	map[string]any{"name": "mallory", "password": "mallory-pw", "role": "publisher"},
	map[string]any{"name": "ops", "password": "ops-pw", "role": "operator"},
	map[string]any{"name": "eve", "password": "eve-pw", "role": "service"},
}

// A trespasser is who uses the NATS port for what is not theirs.
type trespasser struct {
	name, user, password string
	users                bool // node.users are configured
	buckets              bool // may use the buckets
	publishes            bool // may publish events
}

var trespassers = []trespasser{
	{name: "local client", buckets: true, publishes: true},
	{name: "operator", user: "ops", password: "ops-pw", users: true, buckets: true},
	{name: "publisher", user: "mallory", password: "mallory-pw", users: true, publishes: true},
	{name: "service", user: "eve", password: "eve-pw", users: true, publishes: true},
}

// A deed is a message that would do harm where it is heard.
type deed struct{ subject, header, payload string }

// deeds are what nobody but a node may do. bucketsToo adds those that only an
// operator may.
func deeds(bucketsToo bool) []deed {
	forged := "Nats-Stream: EVENTS\r\nNats-Subject: user.bob\r\nNats-Sequence: 999999999\r\nNats-Last-Sequence: 0\r\n"
	list := []deed{
		{"$JS.API.STREAM.PURGE.EVENTS", "", `{"filter":"user.bob"}`},
		{"$JS.API.STREAM.PURGE.EVENTS", "", ``},
		{"$JS.API.STREAM.MSG.DELETE.EVENTS", "", `{"seq":1}`},
		{"$JS.API.STREAM.UPDATE.EVENTS", "", `{"name":"EVENTS","subjects":["user.*"],"storage":"file","max_msgs_per_subject":1,"max_age":100000000000}`},
		{"$JS.API.STREAM.CREATE.EVIL", "", `{"name":"EVIL","subjects":["out.>","user.>","evil.>"],"storage":"memory"}`},
		{"$JS.API.STREAM.CREATE.EVIL", "", `{"name":"EVIL","storage":"memory","sources":[{"name":"EVENTS"}]}`},
		{"$JS.API.CONSUMER.CREATE.EVENTS", "", `{"stream_name":"EVENTS","config":{"deliver_subject":"_INBOX.evil","ack_policy":"none","deliver_policy":"all","replay_policy":"instant"}}`},
		{"$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.evil", "", `{"stream_name":"EVENTS","config":{"durable_name":"evil","deliver_subject":"_INBOX.evil","ack_policy":"none"}}`},
		{"$JS.API.DIRECT.GET.EVENTS", "", `{"last_by_subj":"user.bob"}`},
		{"$JS.API.STREAM.MSG.GET.EVENTS", "", `{"last_by_subj":"user.bob"}`},
		{"$JS.API.STREAM.SNAPSHOT.EVENTS", "", `{"deliver_subject":"_INBOX.evil"}`},
		{"$JS.API.STREAM.LEADER.STEPDOWN.EVENTS", "", ``},
		{"$JS.API.STREAM.PEER.REMOVE.EVENTS", "", `{"peer":"n1"}`},
		{"$JS.API.META.LEADER.STEPDOWN", "", ``},
		{"$JS.API.SERVER.REMOVE", "", `{"peer":"n2"}`},
		{"$JS.API.ACCOUNT.PURGE.WEFT", "", ``},
		{"$JS.API.STREAM.DELETE.KV_nodes", "", ``},
		{"$JS.API.STREAM.DELETE.EVENTS", "", ``},
		{"$KV.nodes.S1Nunr6R", "", `{"node":"n1","removed":true}`},
		{"$KV.nodes.yrzKKRBu", "", `{"node":"n2","removed":true}`},
		{"out.user.bob", forged, "forged"},
		{"out.user.bob", "", "forged"},
		{"out.topic.news", strings.Replace(forged, "user.bob", "topic.news", 1), "forged"},
		{"tick.n1", "", ``},
		{"tick.n1.1", "", ``},
		{"out.tick.n1", strings.Replace(forged, "user.bob", "tick.n1", 1), ``},
		{"weft.ask.users", "", `{}`},
		{"weft.ask.follows.n1", "", `user.bob`},
		{"weft.in.n1.tick.n1", "", ``},
		{"_WEFT.x", "", `{"stream":"EVENTS","seq":999999}`},
		{"presence.bob", "", ``},
		{"svc.orders", "Weft-User: bob\r\n", ``},
		{"$SRV.PING", "", ``},
		{"weft.ask.x.orders", "", ``},
		{"reply.x", "", ``},
		{"$SYS.REQ.SERVER.PING", "", ``},
		{"$SYS.REQ.SERVER.PING.CONNZ", "", `{"subscriptions":true}`},
		{"$SYS.REQ.ACCOUNT.PING.CONNZ", "", `{"subscriptions":true}`},
		{"$SYS.REQ.ACCOUNT.WEFT.CONNZ", "", `{}`},
		{"$SYS.REQ.ACCOUNT.WEFT.CLAIMS.UPDATE", "", `x`},
		{"$SYS.ACCOUNT.WEFT.SERVER.CONNS", "", `{}`},
		{"$NRG.V.x", "", ``},
		{"_R_.x", "", ``},
		{"_GR_.x.y.z", "", ``},
		{"$GR.x", "", ``},
	}
	if bucketsToo {
		list = append(list,
			deed{"$KV.blacklist.user.bob", "", "1"},
			deed{"$KV.blacklist.canary", "KV-Operation: DEL\r\n", ""},
			deed{"$KV.routes.evil", "", `{}`},
			deed{"$JS.API.STREAM.DELETE.KV_blacklist", "", ``},
			deed{"$JS.API.STREAM.PURGE.KV_blacklist", "", ``},
			deed{"$JS.API.CONSUMER.CREATE.KV_blacklist", "", `{"stream_name":"KV_blacklist","config":{"deliver_subject":"_INBOX.evil","ack_policy":"none"}}`},
		)
	} else {
		list = append(list,
			deed{"$JS.API.STREAM.UPDATE.KV_blacklist", "", `{"name":"KV_blacklist","subjects":["$KV.blacklist.>"],"storage":"file","max_msgs":1,"allow_direct":true,"allow_rollup_hdrs":true}`},
			deed{"$JS.API.STREAM.CREATE.KV_other", "", `{"name":"KV_other","subjects":["$KV.other.>"],"storage":"file"}`},
			deed{"$JS.API.STREAM.DELETE.KV_routes", "", ``},
			deed{"$JS.API.STREAM.DELETE.KV_blacklist", "", ``})
	}
	return list
}

// A household is what must be left alone: two people with a connection each, what
// was stored for them, the buckets, and a publisher at work.
type household struct {
	t     *testing.T
	ctx   context.Context
	nodes []*stage.Node // the first one is where the trespasser is
	homes map[string]*home
	sent  int
}

type home struct {
	recorder *client.Recorder
	target   client.Target // with the cursor from before all that happened
}

func newHousehold(t *testing.T, ctx context.Context, nodes []*stage.Node) *household {
	h := &household{t: t, ctx: ctx, nodes: nodes, homes: map[string]*home{}}
	if status, body := admin(t, nodes[0], http.MethodPut, "/_weft/v1/blacklist/canary", ""); status >= 300 {
		t.Fatalf("revoke: %d %s", status, body)
	}
	for i, user := range []string{"ann", "bob"} {
		n := nodes[(i+1)%len(nodes)]
		target := client.Target{URL: n.URL(), Token: stage.Token(t, user, nil)}
		first, err := h.resume(target)
		if err != nil {
			t.Fatal(err)
		}
		r := record(t, client.SSE, target)
		if _, err := r.AwaitType(ctx, client.TypeOpen); err != nil {
			t.Fatal(err)
		}
		target.LastID = first.LastEventID
		h.homes[user] = &home{r, target}
	}
	return h
}

// isWell sends everybody an event, which must arrive, as the only one and without
// a word of anything lost.
func (h *household) isWell(after string) {
	h.t.Helper()
	h.sent++
	for user, home := range h.homes {
		secret := fmt.Sprintf("secret %d of %s", h.sent, user)
		publish(h.t, h.nodes[0], user, "", []byte(secret))
		ctx, cancel := context.WithTimeout(h.ctx, 30*time.Second)
		events, err := home.recorder.AwaitEvents(ctx, h.sent)
		cancel()
		if err != nil || len(events) != h.sent || events[h.sent-1].Text() != secret || home.recorder.Count(client.TypeReset) > 0 {
			h.t.Fatalf("after %s: %s has %d events of %d: %v\n%s", after, user, len(events), h.sent, err, describe(events))
		}
	}
}

// isWhole looks at all that is stored, after somebody tried, once the nodes serve:
// none does while the blacklist is made anew.
func (h *household) isWhole(who trespasser) {
	h.t.Helper()
	for _, n := range h.nodes {
		eventually(h.t, 40*time.Second, "the node is ready and has its blacklist", func() bool {
			status, _ := admin(h.t, n, http.MethodGet, "/readyz", "")
			listed, body := admin(h.t, n, http.MethodGet, "/_weft/v1/blacklist/canary", "")
			return status == http.StatusOK && listed == http.StatusOK && strings.Contains(string(body), "canary")
		})
	}
	for user, home := range h.homes {
		got, err := h.resume(home.target)
		if err != nil || got.Reset || len(got.Events) != h.sent {
			h.t.Errorf("%s resumes with %d events of %d, reset %v, %v", user, len(got.Events), h.sent, got.Reset, err)
		}
	}
	_, body := admin(h.t, h.nodes[0], http.MethodGet, "/_weft/v1/blacklist", "")
	var list struct {
		Items []struct{ Session, User string }
	}
	if err := json.Unmarshal(body, &list); err != nil {
		h.t.Errorf("the blacklist is %s", body)
	}
	for _, e := range list.Items {
		// The others were put by who may.
		if who.buckets && (e.Session == "deed" || e.Session == "other") {
			continue
		}
		if e.Session != "canary" {
			h.t.Errorf("an entry of the blacklist: %+v", e)
		}
	}
}

// resume is one poll, which comes back for as long as it is told to: a node may find
// only now that who may has deleted a bucket, and does not serve until it has it again.
func (h *household) resume(target client.Target) (got client.Answer, err error) {
	h.t.Helper()
	eventually(h.t, 20*time.Second, "a client that comes back is served", func() bool {
		var refused *client.StatusError
		got, err = client.PollOnce(h.ctx, target)
		return !errors.As(err, &refused) || refused.Problem.Code != "not_ready"
	})
	return got, err
}

// startWall starts one node or three.
func startWall(t *testing.T, ctx context.Context, size int, users bool) []*stage.Node {
	t.Helper()
	settings := map[string]any{"events.max_per_subject": 1000, "auth.allow": []any{"topic.>"}}
	if users {
		settings["node.users"] = wallUsers
	}
	if size > 1 {
		return stage.StartCluster(t, ctx, settings)
	}
	config := stage.Settings(t.TempDir())
	for key, value := range settings {
		config.With(key, value)
	}
	return []*stage.Node{stage.StartNode(t, config)}
}

// Whatever a client of the NATS port publishes, and to whatever reply subject it lets
// the server answer, it changes nothing but what its role may change.
func TestNobodyReachesThroughTheNATSPort(t *testing.T) {
	for _, size := range []int{1, 3} {
		for _, who := range trespassers {
			t.Run(fmt.Sprintf("%s, %d nodes", who.name, size), func(t *testing.T) {
				t.Parallel()
				ctx := within(t, 8*time.Minute)
				nodes := startWall(t, ctx, size, who.users)
				h := newHousehold(t, ctx, nodes)
				h.isWell("nothing")
				c := connectRaw(t, nodes[0], who.user, who.password)
				for _, d := range deeds(!who.buckets) {
					trespass(c, who, d)
					h.isWell(fmt.Sprintf("%+v", d))
				}
				h.isWhole(who)
			})
		}
	}
}

// trespass tries a deed in every way that there is.
func trespass(c *rawNATS, who trespasser, d deed) {
	c.t.Helper()
	c.publish(d.subject, "", d.header, d.payload)
	c.publish(d.subject, "_INBOX.evil.1", d.header, d.payload)
	if who.publishes {
		// The acknowledgement of a publish, as the harmful message.
		c.publish("user.evil", d.subject, "", d.payload)
		c.publish("topic.evil", d.subject, d.header, d.payload)
		c.publish("user.evil", "", "Nats-Trace-Dest: "+d.subject+"\r\n", d.payload)
		c.publish("user.not.canonical", d.subject, "", d.payload) // a refusal
	}
	if who.buckets {
		for _, bucket := range []string{"routes", "blacklist"} {
			c.answerWith(bucket, d)
		}
	}
	c.flush()
}

// answerWith lets what a bucket answers be the deed: byte for byte what was stored
// before.
func (c *rawNATS) answerWith(bucket string, d deed) {
	c.t.Helper()
	stream, key := "KV_"+bucket, "$KV."+bucket+".deed"
	c.publish(key, "", d.header, d.payload)
	c.flush()
	for request, body := range map[string]string{
		"$JS.API.DIRECT.GET." + stream + "." + key: "",
		"$JS.API.DIRECT.GET." + stream:             `{"last_by_subj":"` + key + `"}`,
		"$JS.API.STREAM.MSG.GET." + stream:         `{"last_by_subj":"` + key + `"}`,
		"$JS.API.STREAM.INFO." + stream:            d.payload,
		"$KV." + bucket + ".other":                 d.payload,
	} {
		c.publish(request, d.subject, "", body)
	}
	// Consumers that deliver where they are told.
	c.publish("$JS.API.CONSUMER.CREATE."+stream, "_INBOX.evil.2", "",
		`{"stream_name":"`+stream+`","config":{"deliver_subject":"`+d.subject+`","ack_policy":"none","deliver_policy":"last","mem_storage":true,"inactive_threshold":1000000000}}`)
	c.publish("$JS.API.CONSUMER.CREATE."+stream+".evil", "_INBOX.evil.2", "",
		`{"stream_name":"`+stream+`","config":{"name":"evil","ack_policy":"none","deliver_policy":"last","mem_storage":true,"inactive_threshold":1000000000}}`)
	c.publish("$JS.API.CONSUMER.MSG.NEXT."+stream+".evil", d.subject, "", `{"batch":1,"no_wait":true}`)
	c.publish("$JS.API.CONSUMER.DELETE."+stream+".evil", "_INBOX.evil.2", "", "")
	// A request whose answer is the next request.
	c.publish("$JS.API.DIRECT.GET."+stream+"."+key, "$JS.API.DIRECT.GET."+stream+"."+key, "", "")
	c.flush()
}

// Clients of the NATS port hear their own acknowledgements and the buckets if they
// may, and nothing of anybody else.
func TestNobodyListensAtTheNATSPort(t *testing.T) {
	wanted := []string{">", "*", "*.*", "*.*.*", "out.>", "out.user.bob", "user.>", "user.bob", "topic.>", "tick.>", "weft.>", "_WEFT.>",
		"_INBOX.>", "_INBOX_orders.>", "$JS.>", "$JS.API.>", "$JS.EVENT.>", "$SYS.>", "$KV.nodes.>", "$KV.>", "_R_.>", "_GR_.>",
		"presence.>", "svc.>", "reply.>", "weft.in.>"}
	for _, size := range []int{1, 3} {
		for _, who := range trespassers {
			t.Run(fmt.Sprintf("%s, %d nodes", who.name, size), func(t *testing.T) {
				t.Parallel()
				ctx := within(t, 4*time.Minute)
				nodes := startWall(t, ctx, size, who.users)
				h := newHousehold(t, ctx, nodes)
				c := connectRaw(t, nodes[0], who.user, who.password)
				for i, s := range wanted {
					c.say("SUB %s %d\r\n", s, i+1)
					c.say("SUB %s queue%d %d\r\n", s, i, 1000+i)
				}
				c.flush()
				var others []*rawNATS
				if who.users {
					others = append(others, connectRaw(t, nodes[0], "orders", "orders-pw"), connectRaw(t, nodes[len(nodes)-1], "orders", "orders-pw"))
				}
				for i := range 20 {
					h.isWell("subscriptions")
					for _, o := range others {
						o.publish("user.ann", "_INBOX.theirs.1", "", fmt.Sprintf("secret of a publisher, %d", i))
						o.flush()
					}
					h.sent += len(others) // ann's; bob's follow
					for range others {
						publish(t, nodes[0], "bob", "", []byte("secret as well"))
					}
					for _, home := range h.homes {
						if _, err := home.recorder.AwaitEvents(ctx, h.sent); err != nil {
							t.Fatal(err)
						}
					}
				}
				c.flush()
				for _, m := range c.hears() {
					subject, _, _ := strings.Cut(m, " ")
					if strings.Contains(m, "secret") || !slices.ContainsFunc([]string{"$KV.blacklist.", "$KV.routes."}, func(p string) bool {
						return who.buckets && strings.HasPrefix(subject, p)
					}) {
						t.Errorf("heard %.300q", m)
					}
				}
			})
		}
	}
}
