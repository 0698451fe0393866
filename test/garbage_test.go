package test

import (
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/nats-io/nats.go"

	"weft/test/client"
	"weft/test/stage"
)

// What is no protocol at all, on any port, harms nobody else.
func TestGarbageOnEveryPortIsHarmless(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	ann := everywhere(t, node, "ann")
	random := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	big := strings.Repeat("x", 4<<20)
	inputs := map[string]string{
		"noise":           string(noise),
		"an endless line": "GET /" + big,
		"a huge header":   "GET /_weft/v1/events HTTP/1.1\r\nHost: x\r\nX-Big: " + big + "\r\n\r\n",
		"many headers":    "GET /_weft/v1/events HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 300_000) + "\r\n",
		"a NATS publish":  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\nPUB user.ann 4\r\nevil\r\n",
		"bad NATS":        "CONNECT {\r\nPUB user.ann 99999999999\r\n\x00\r\n",
		"bad NATS header": "CONNECT {\"headers\":true}\r\nHPUB user.ann 9999 5\r\nx\r\n",
		"bad WebSocket": "GET /_weft/v1/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n" + string(noise),
		"nothing": "",
	}
	_, admin, _ := strings.Cut(node.AdminURL(), "//")
	for _, address := range []string{node.Address(), admin, node.NATSAddress()} {
		for name, input := range inputs {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatalf("%s on %s: %v", name, address, err)
			}
			conn.SetDeadline(time.Now().Add(time.Second))
			conn.Write([]byte(input)) // may fail once the other side has had enough
			conn.Read(make([]byte, 256))
			conn.Close()
		}
	}
	nc := node.NATS()
	if err := nc.PublishMsg(&nats.Msg{Subject: "user.ann", Header: nats.Header{"X-Big": {strings.Repeat("y", 60<<10)}}, Data: []byte(`"big"`)}); err != nil {
		t.Fatal(err)
	}
	publishNATS(t, nc, "user.ann", nil, []byte(`"fine"`))
	for kind, r := range ann {
		err := r.Await(soon(t), func(all []client.Event) bool {
			return slices.ContainsFunc(all, func(e client.Event) bool { return string(e.Data) == `"fine"` })
		})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for _, e := range r.Events() {
			if string(e.Data) == "evil" {
				t.Errorf("%s: an HTTP request became an event", kind)
			}
		}
	}
}

// Frames that are no commands are answered with an error or end the connection;
// the node and its other connections go on.
func TestBadWebSocketCommandsAreAnswered(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	target := client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)}
	steady := record(t, client.WebSocket, target)
	for _, command := range []any{
		1, "x", nil, []int{1}, map[string]any{}, map[string]any{"ref": "r", "unknown": 1},
		map[string]any{"ref": "r", "subscribe": "user.ann"},
		map[string]any{"ref": "r", "subscribe": []string{"user.bob"}},
		map[string]any{"ref": "r", "subscribe": []string{"user.*", ">", "out.user.bob", "$KV.blacklist.>", "topic..x", ""}},
		map[string]any{"ref": "r", "token": "x"},
		map[string]any{"ref": "r", "publish": map[string]any{"subject": "user.bob", "data": 1}},
		map[string]any{"ref": strings.Repeat("r", 100_000), "subscribe": slices.Repeat([]string{"topic.x"}, 10_000)},
	} {
		r := record(t, client.WebSocket, target)
		if err := r.Send(command); err != nil {
			t.Fatal(err)
		}
		err := r.Await(soon(t), func(all []client.Event) bool {
			return slices.ContainsFunc(all, func(e client.Event) bool {
				return e.Type == "answer" && strings.Contains(string(e.Data), `"error"`) || e.Type == client.TypeClose
			})
		})
		var closed *websocket.CloseError
		if err != nil && !errors.As(err, &closed) {
			t.Errorf("command %.60v: %v; have %s", command, err, describe(r.All()))
		}
		r.Close()
	}
	publish(t, node, "ann", "", []byte(`"fine"`))
	if e := awaitEvents(t, steady, 1)[0]; string(e.Data) != `"fine"` {
		t.Errorf("got %q", e.Data)
	}
}
