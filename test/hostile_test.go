package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/client"
	"weft/test/stage"
)

// everywhere follows a user over all transports.
func everywhere(t *testing.T, n *stage.Node, user string) map[client.Transport]*client.Recorder {
	t.Helper()
	all := map[client.Transport]*client.Recorder{}
	for _, kind := range client.Transports {
		all[kind] = record(t, kind, client.Target{URL: n.URL(), Token: stage.Token(t, user, nil)})
	}
	return all
}

// A publisher's own Nats-* headers are not those that the stream adds: they neither
// move a cursor nor send an event to another user.
func TestForgedHeadersAreHarmless(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	ann, bob := everywhere(t, node, "ann"), everywhere(t, node, "bob")
	nc := node.NATS()
	publishNATS(t, nc, "user.ann", nats.Header{
		"Nats-Sequence":      {"999999999", "888888888"},
		"Nats-Last-Sequence": {"999999998"},
		"Nats-Subject":       {"user.bob"},
		"Nats-Stream":        {"OTHER"},
		"Nats-Time-Stamp":    {"2001-01-01T00:00:00Z"},
		"Nats-Num-Pending":   {"0"},
	}, []byte(`"forged"`))
	publishNATS(t, nc, "user.ann", nil, []byte(`"honest"`))
	for kind, r := range ann {
		events := awaitEvents(t, r, 2)
		if string(events[0].Data) != `"forged"` || string(events[1].Data) != `"honest"` {
			t.Errorf("%s: %s", kind, describe(events))
		}
		r.Close()
	}
	for kind, r := range ann {
		events := r.Events()
		missed, resets := resume(t, node, kind, "ann", events[0].ID)
		if resets != 0 || len(missed) == 0 || string(missed[0].Data) != `"honest"` {
			t.Errorf("%s: a resume from the forged event gives %d resets and %s", kind, resets, describe(missed))
		}
	}
	publishNATS(t, nc, "user.bob", nil, []byte(`"for bob"`))
	for kind, r := range bob {
		if e := awaitEvents(t, r, 1)[0]; string(e.Data) != `"for bob"` {
			t.Errorf("%s: bob got %q", kind, e.Data)
		}
	}
}

// sendRaw speaks the NATS protocol by hand, to send what a client library would not.
func sendRaw(t *testing.T, n *stage.Node, subject, header string, data []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", n.NATSAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nHPUB %s %d %d\r\n%s%s\r\nPING\r\n",
		subject, len(header), len(header)+len(data), header, data)
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(got, []byte("PONG")) {
		k, err := conn.Read(buf)
		got = append(got, buf[:k]...)
		if err != nil {
			t.Fatalf("publish on %s: %v after %q", subject, err, got)
		}
	}
}

// A type that an in-band message would have, or that breaks the lines of SSE, is
// refused at every entrance, and what comes after it arrives.
func TestHostileTypesAreRefused(t *testing.T) {
	k := broker(t)
	in, dead := topic(t, k, 1), topicName(t.Name()+".dead")
	if err := stage.CreateTopic(within(t, time.Minute), k.Address, dead, 1); err != nil {
		t.Fatal(err)
	}
	node := stage.StartNode(t, stage.Settings(t.TempDir()).Kafka(k.Address, stage.Source{
		"topic": in, "to": []string{"user.{key}"}, "dead_letter": dead, "start": "oldest"}))
	ann := everywhere(t, node, "ann")

	types := []string{"weft.close", "weft.reset", "weft.", "a\nid: 99999", "a\rdata: x", "a\x00b", strings.Repeat("x", 201)}
	for _, typ := range types {
		p := post(t, node.AdminURL(), url.Values{"user": {"ann"}, "type": {typ}},
			map[string]string{"Content-Type": "application/json"}, []byte(`{"hostile":1}`))
		if p.Status != 422 || p.Problem.Code != "bad_event" {
			t.Errorf("HTTP, type %.20q: %d %q, want 422 bad_event", typ, p.Status, p.Problem.Code)
		}
		structured := fmt.Appendf(nil, `{"specversion":"1.0","id":"1","source":"s","type":%s,"user":"ann","data":1}`, quote(typ))
		p = post(t, node.AdminURL(), nil, map[string]string{"Content-Type": "application/cloudevents+json"}, structured)
		if p.Status != 422 || p.Problem.Code != "bad_event" {
			t.Errorf("HTTP structured, type %.20q: %d %q, want 422 bad_event", typ, p.Status, p.Problem.Code)
		}
		sendRaw(t, node, "user.ann", "NATS/1.0\r\nce-type: "+typ+"\r\n\r\n", []byte(`{"hostile":2}`))
		sendRaw(t, node, "user.ann", "NATS/1.0\r\ncontent-type: application/cloudevents+json\r\n\r\n", structured)
		produce(t, k.Address, &kgo.Record{Topic: in, Key: []byte("ann"), Value: structured,
			Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}}})
	}
	publish(t, node, "ann", "last.http", []byte(`1`))
	produce(t, k.Address, &kgo.Record{Topic: in, Key: []byte("ann"), Value: []byte(`{"last":"kafka"}`)})

	for kind, r := range ann {
		err := r.Await(soon(t), func(all []client.Event) bool {
			return slices.ContainsFunc(all, func(e client.Event) bool { return string(e.Data) == `{"last":"kafka"}` })
		})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		for _, e := range r.Events() {
			// A raw header that breaks into two lines may leave an event with the
			// type before the break: that one is harmless.
			if e.Type != "" && e.Type != "a" && e.Type != "last.http" {
				t.Errorf("%s: an event of type %.40q came through", kind, e.Type)
			}
			if e.ID == "99999" {
				t.Errorf("%s: the id was forged", kind)
			}
		}
		if r.Count(client.TypeClose)+r.Count(client.TypeReset) != 0 {
			t.Errorf("%s: a hostile type passed for an in-band message", kind)
		}
	}
	eventually(t, 20*time.Second, fmt.Sprint("the dead-letter topic holds ", len(types), " records"), func() bool {
		ends, err := stage.EndOffsets(soon(t), k.Address, dead, 1)
		return err == nil && ends[0] == int64(len(types))
	})
}

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "\\u%04x", c)
	}
	b.WriteByte('"')
	return b.String()
}

// Whatever a client brings as its id, it gets an answer at once: an error, or an
// open connection that delivers what is new and never what is another user's.
func TestAnyCursorIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	for i := range 20 {
		publish(t, node, "ann", "", fmt.Appendf(nil, `"ann %d"`, i))
		publish(t, node, "bob", "", fmt.Appendf(nil, `"bob %d"`, i))
	}
	r := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "bob", nil)})
	publish(t, node, "bob", "", []byte(`"bob's last"`))
	awaitEvents(t, r, 1)
	bobs := r.LastID()

	cursors := []string{bobs, "0", "1", "-1", "18446744073709551615", "99999999999999999999999", "x", "..", "%00", "é",
		strings.Repeat("A", 3000), bobs + bobs, bobs + "~", bobs[:len(bobs)/2], bobs[1:], strings.ToUpper(bobs), "null", "{}"}
	random := rand.New(rand.NewPCG(1, 2))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
	for range 60 {
		b := []byte(bobs)
		for range 1 + random.IntN(3) {
			b[random.IntN(len(b))] = alphabet[random.IntN(len(alphabet))]
		}
		cursors = append(cursors, string(b))
	}
	token := stage.Token(t, "ann", nil)
	for i, cursor := range cursors {
		kind := client.Transports[i%3]
		target := client.Target{URL: node.URL(), Token: token, LastID: cursor, LastIDInQuery: true}
		if kind == client.Poll {
			target.Query = url.Values{"wait": {"1s"}}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		r, err := client.Record(ctx, kind, target)
		if err == nil {
			err = r.Await(ctx, func(all []client.Event) bool { return len(all) > 0 })
		}
		var refused *client.StatusError
		switch {
		case err == nil:
			for _, e := range r.Events() {
				if !strings.Contains(string(e.Data), "ann") {
					t.Errorf("cursor %.60q over %s: got %q", cursor, kind, e.Data)
				}
			}
			if n := r.Count(client.TypeReset); n > 1 {
				t.Errorf("cursor %.60q over %s: %d resets", cursor, kind, n)
			}
		case errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500:
		default:
			t.Errorf("cursor %.60q over %s: %v", cursor, kind, err)
		}
		if r != nil {
			r.Close()
		}
		cancel()
	}
	// The id of another user is only a place in the stream.
	events, resets := resume(t, node, client.SSE, "ann", bobs)
	if len(events) != 0 || resets > 1 {
		t.Errorf("with bob's id ann got %d resets and %s", resets, describe(events))
	}
}

// A subject that no user can have cannot be stored; the node counts such messages,
// says so in its log and goes on.
func TestSubjectThatIsNotCanonicalIsReported(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	nc := node.NATS()
	ann := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann@x.org", nil)})
	subjects := []string{"user.ann@x.org", "user.a.b.c"}
	for _, subject := range subjects {
		if err := nc.Publish(subject, []byte("lost")); err != nil {
			t.Fatal(err)
		}
	}
	publishNATS(t, nc, "user.ann=40x=2Eorg", nil, []byte(`"found"`))
	if e := awaitEvents(t, ann, 1)[0]; string(e.Data) != `"found"` {
		t.Errorf("got %q", e.Data)
	}
	logged(t, node, `"subject":"user.ann@x.org"`, "WARN")
	eventually(t, 20*time.Second, "each such message is counted", func() bool {
		return metric(t, node, "weft_jetstream_misaddressed_total") == float64(len(subjects))
	})
}

// Another site cannot use a visitor's cookie to publish or to listen, nor reach the
// admin listener through the visitor's browser.
func TestOtherSitesGetNothingThroughACookie(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()).
		With("auth.publish", []string{"user.{/sub}"}).
		With("public.cors_origins", []string{"https://app.example.com"}))
	ann := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
	cookie := "weft_token=" + stage.Token(t, "ann", nil)
	q := url.Values{"user": {"ann"}}

	for _, c := range []struct {
		name   string
		header map[string]string
		status int
	}{
		{"cross-site by Sec-Fetch-Site", map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		{"foreign origin alone", map[string]string{"Cookie": cookie, "Origin": "https://evil.example"}, 403},
		{"opaque origin", map[string]string{"Cookie": cookie, "Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403},
		{"permitted origin", map[string]string{"Cookie": cookie, "Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}, 202},
	} {
		c.header["Content-Type"] = "text/plain"
		if p := post(t, node.URL(), q, c.header, []byte(c.name)); p.Status != c.status {
			t.Errorf("%s: %d, want %d", c.name, p.Status, c.status)
		}
	}
	if e := awaitEvents(t, ann, 1)[0]; string(e.Data) != "permitted origin" {
		t.Errorf("got %q", e.Data)
	}

	ws := strings.Replace(node.URL(), "http", "ws", 1) + "/_weft/v1/events"
	for origin, want := range map[string]int{"https://evil.example": 403, "https://app.example.com": 101} {
		conn, answer, err := websocket.DefaultDialer.Dial(ws, http.Header{"Cookie": {cookie}, "Origin": {origin}})
		if err == nil {
			conn.Close()
		}
		if answer == nil || answer.StatusCode != want {
			t.Errorf("WebSocket from %s with a cookie: %v, want %d", origin, err, want)
		}
	}

	for name, header := range map[string]map[string]string{
		"foreign origin": {"Origin": "https://evil.example"},
		"cross-site":     {"Sec-Fetch-Site": "cross-site"},
	} {
		header["Content-Type"] = "text/plain"
		if p := post(t, node.AdminURL(), q, header, []byte("evil")); p.Status != 403 {
			t.Errorf("admin, %s: %d, want 403", name, p.Status)
		}
	}
	req, err := http.NewRequest("GET", node.AdminURL()+"/_weft/v1/blacklist", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example" // as after DNS rebinding
	if status, _, _ := exchange(t, req); status < 400 {
		t.Errorf("admin answers to a foreign host name with %d", status)
	}
}

// Two explicit tokens that differ are a mistake or an attack, not a choice.
func TestTwoDifferentTokensAreRefused(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.token_in_query", true))
	target := client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil),
		Query: url.Values{"access_token": {stage.Token(t, "bob", nil)}}}
	for _, kind := range client.Transports {
		_, err := client.Record(context.Background(), kind, target)
		var refused *client.StatusError
		if kind == client.Poll {
			_, err = client.PollOnce(soon(t), target)
		}
		if !errors.As(err, &refused) || refused.Status != 400 {
			t.Errorf("%s: %v, want 400", kind, err)
		}
	}
}
