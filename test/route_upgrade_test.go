package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/test/stage"
)

// echoSockets echoes WebSockets, and streams an event for each POST.
func echoSockets(events <-chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			w.Header().Set("Content-Type", "text/event-stream")
			for c := http.NewResponseController(w); ; {
				_ = c.Flush()
				select {
				case e := <-events:
					_, _ = io.WriteString(w, e)
				case <-r.Context().Done():
					return
				}
			}
		}
		conn, err := (&websocket.Upgrader{Subprotocols: []string{"chat"}, EnableCompression: true}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, message) != nil {
				return
			}
		}
	}
}

// What is open through a route lives on while the route changes, and is gone.
func TestOpenStreamsLiveOnThroughChangesOfTheirRoute(t *testing.T) {
	events := make(chan string)
	back := stage.StartBackend(t, echoSockets(events))
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, node, "r", routeTo(back.URL(), "idle_timeout", "10m"))
	dialer := websocket.Dialer{Subprotocols: []string{"chat"}, EnableCompression: true}
	conn, res, err := dialer.DialContext(soon(t), "ws://"+node.Address()+"/socket?a=1;b", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.Subprotocol() != "chat" || len(res.Header["X-Request-Id"]) != 1 || !strings.Contains(res.Header.Get("Sec-Websocket-Extensions"), "permessage-deflate") {
		t.Errorf("the handshake is %v", res.Header)
	}
	if asked := back.Await(1); asked.Target != "/socket?a=1;b" || asked.Header.Get("Weft-Route") != "r" {
		t.Errorf("the back end was asked %+v", asked)
	}
	stream := bufio.NewReader(sendTo(t, plainClient(t, false), "GET", node.URL()+"/events", nil).Body)
	echo := func(text string) {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.ReadMessage(); err != nil || string(got) != text {
			t.Fatalf("%q came back as %q: %v", text, got, err)
		}
		events <- text + "\n"
		if line, err := stream.ReadString('\n'); err != nil || line != text+"\n" {
			t.Fatalf("the event %q came as %q: %v", text, line, err)
		}
	}
	eventually(t, 20*time.Second, "both are running", func() bool {
		return metric(t, node, `weft_route_running\{scheme="http"\}`) == 2
	})
	for i := range 100 {
		target := back.URL()
		if i%2 == 0 {
			target = "http://" + stage.RefusingAddress(t)
		}
		stage.PutRoute(t, node, "r", routeTo(target, "timeout", fmt.Sprintf("%ds", i+1)))
		if i%10 == 0 {
			echo(fmt.Sprint("change ", i))
		}
	}
	stage.DeleteRoute(t, node, "r")
	echo("without a route")
	if n := metric(t, node, `weft_route_running\{scheme="http"\}`); n != 2 {
		t.Errorf("%v are running", n)
	}
	_ = conn.Close()
	eventually(t, 20*time.Second, "one is running", func() bool {
		return metric(t, node, `weft_route_running\{scheme="http"\}`) == 1
	})
}

// A silent WebSocket stays unless its route says otherwise.
func TestASilentWebSocketIsEndedWhereItsRouteSaysSo(t *testing.T) {
	t.Parallel()
	back := stage.StartBackend(t, echoSockets(nil))
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, node, "r", routeTo(back.URL(), "idle_timeout", "3s"))
	conn, _, err := websocket.DefaultDialer.DialContext(soon(t), "ws://"+node.Address()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	for range 5 { // what moves stays
		if err := conn.WriteMessage(websocket.TextMessage, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.ReadMessage(); err != nil {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		<-time.After(800 * time.Millisecond)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, _, err := conn.ReadMessage(); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("it ended with %v", err)
	}
}

// A client that says something before it knows of the upgrade is heard: nothing is lost
// between the two protocols.
func TestWhatAClientSaysBeforeTheUpgradeIsNotLost(t *testing.T) {
	back := stage.StartWire(t, func(conn net.Conn, _ string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, conn)
	})
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, node, "r", routeTo(back.URL()))
	conn, err := net.Dial("tcp", node.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, getHead("/socket", "Connection: Upgrade", "Upgrade: websocket")+"early ")
	back.Await(1)
	_, _ = io.WriteString(conn, "late")
	_ = conn.(*net.TCPConn).CloseWrite()
	all, err := io.ReadAll(conn)
	if _, said, _ := strings.Cut(string(all), "\r\n\r\n"); said != "early late" || err != nil {
		t.Errorf("%q came back, %v", all, err)
	}
}
