package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/nats-io/nats.go/jetstream"

	"weft/config/testkit/standstill"
	"weft/test/client"
	"weft/test/stage"
)

// awaitEnding waits until a connection has ended and returns how: the reason and
// the code that the transport has for it.
func awaitEnding(t *testing.T, kind client.Transport, r *client.Recorder, limit time.Duration) (reason string, code int) {
	t.Helper()
	select {
	case <-r.Done():
	case <-time.After(limit):
		t.Errorf("%s: still open after %v", kind, limit)
		return "", 0
	}
	var closed *websocket.CloseError
	var refused *client.StatusError
	switch {
	case errors.As(r.Err(), &closed):
		code = closed.Code
	case errors.As(r.Err(), &refused):
		return refused.Problem.Code, refused.Status
	}
	for _, e := range r.All() {
		if e.Type == client.TypeClose {
			var ending client.Ending
			if err := json.Unmarshal(e.Data, &ending); err != nil {
				t.Errorf("%s: decode weft.close %q: %v", kind, e.Data, err)
			}
			reason = ending.Reason
		}
	}
	return reason, code
}

// refusal connects and returns the status and code of the refusal, 0 when there was
// none. A browser cannot see why a WebSocket handshake failed, so a gateway may
// complete it and close with a code of 4000 + status at once.
func refusal(t *testing.T, n *stage.Node, kind client.Transport, token string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	target := client.Target{URL: n.URL(), Token: token}
	stream, err := client.Open(ctx, kind, target)
	if err == nil {
		defer stream.Close()
		var first client.Event
		for first, err = stream.Next(); err == nil; first, err = stream.Next() {
			if first.Type == client.TypeOpen {
				return 0, ""
			}
		}
	}
	var refused *client.StatusError
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &refused):
		return refused.Status, refused.Problem.Code
	case errors.As(err, &closed) && closed.Code > 4000:
		return closed.Code - 4000, "token_" + closed.Text
	}
	t.Errorf("connect over %s: %v", kind, err)
	return 0, ""
}

// revokeWays are the two by which an operator revokes: the admin API and a plain put
// into the bucket, as the nats command does it.
func revokeWays(t *testing.T, n *stage.Node) map[string]func(key string) {
	t.Helper()
	js, err := jetstream.New(n.NATS())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(soon(t), "blacklist")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func(string){
		"admin API": func(key string) {
			if status, body := admin(t, n, http.MethodPut, "/_weft/v1/blacklist/"+key, ""); status/100 != 2 {
				t.Fatalf("revoke %s: %d %s", key, status, body)
			}
		},
		"key-value put": func(key string) {
			if _, err := kv.Put(soon(t), key, []byte("revoked")); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// A revoked token loses all its connections within a second, and no others do; it
// gets none any more, nor after a restart.
func TestRevokedTokenIsCutAtOnceAndForGood(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	for _, way := range []string{"admin API", "key-value put"} {
		t.Run(way, func(t *testing.T) {
			revoke := revokeWays(t, node)[way]
			id := strings.ReplaceAll(way, " ", "")
			lost := stage.Token(t, "ann", stage.Claims{"jti": "lost-" + id})
			kept := stage.Token(t, "ann", stage.Claims{"jti": "kept-" + id})
			cut, stay := map[client.Transport]*client.Recorder{}, map[string]*client.Recorder{}
			for _, kind := range client.Transports {
				cut[kind] = record(t, kind, client.Target{URL: node.URL(), Token: lost})
				stay["ann "+string(kind)] = record(t, kind, client.Target{URL: node.URL(), Token: kept})
				stay["bob "+string(kind)] = record(t, kind, client.Target{URL: node.URL(), Token: stage.Token(t, "bob", nil)})
			}
			start, still := time.Now(), standstill.Begin(t)
			revoke("lost-" + id)
			for kind, want := range map[client.Transport]struct {
				reason string
				code   int
			}{
				client.SSE:       {"revoked", 0},
				client.WebSocket: {"revoked", 4403},
				client.Poll:      {"token_revoked", 403},
			} {
				reason, code := awaitEnding(t, kind, cut[kind], 20*time.Second)
				if reason != want.reason || code != want.code {
					t.Errorf("%s ended with %q and %d, want %q and %d", kind, reason, code, want.reason, want.code)
				}
			}
			if took := time.Since(start); took > time.Second+still.Lost() {
				t.Errorf("it took %v to cut all, want less than 1s", took)
			} else {
				t.Logf("all cut %v after the revocation was asked for", took.Round(time.Millisecond))
			}
			for _, e := range cut[client.SSE].All() {
				if e.Type == client.TypeClose && strings.Contains(string(e.Data), `"reconnect":true`) {
					t.Errorf("a revoked client is told to come back: %s", e.Data)
				}
			}
			check := func(when string) {
				t.Helper()
				for _, kind := range client.Transports {
					if status, code := refusal(t, node, kind, lost); status != 403 || code != "token_revoked" {
						t.Errorf("%s, %s: %d %q, want 403 token_revoked", when, kind, status, code)
					}
					if status, code := refusal(t, node, kind, kept); status != 0 {
						t.Errorf("%s, %s: the other session is refused: %d %q", when, kind, status, code)
					}
				}
			}
			check("at once")
			publish(t, node, "ann", "", []byte(`"for those who stay"`))
			publish(t, node, "bob", "", []byte(`"for those who stay"`))
			for who, r := range stay {
				if e := awaitEvents(t, r, 1)[0]; string(e.Data) != `"for those who stay"` {
					t.Errorf("%s got %q", who, e.Data)
				}
				r.Close()
			}
			node.Restart()
			check("after a restart")
		})
	}
}

// The entry user.<user> cuts all tokens that a user had, and lets a new one in. The
// admin API takes the user's name as it is, the bucket's key is escaped.
func TestRevokedUserIsCutUntilANewToken(t *testing.T) {
	for way, key := range map[string]string{"admin API": "user.ann@x.org", "key-value put": "user.ann=40x=2Eorg"} {
		t.Run(way, func(t *testing.T) {
			node := stage.StartNode(t, stage.Settings(t.TempDir()))
			old := stage.Token(t, "ann@x.org", stage.Claims{"iat": time.Now().Add(-time.Minute).Unix()})
			r := record(t, client.SSE, client.Target{URL: node.URL(), Token: old})
			bob := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "bob", nil)})
			revokeWays(t, node)[way](key)
			if reason, _ := awaitEnding(t, client.SSE, r, 20*time.Second); reason != "revoked" {
				t.Errorf("ended with %q", reason)
			}
			if status, _ := refusal(t, node, client.SSE, old); status != 403 {
				t.Errorf("the old token is answered %d, want 403", status)
			}
			eventually(t, 20*time.Second, "a token of a later second is let in", func() bool {
				status, _ := refusal(t, node, client.SSE, stage.Token(t, "ann@x.org", nil))
				return status == 0
			})
			if bob.Err() != nil {
				t.Errorf("bob was cut, too: %v", bob.Err())
			}
		})
	}
}

// An entry ends with its time, and the session may come back.
func TestRevocationEndsWithItsTime(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	token := stage.Token(t, "ann", stage.Claims{"jti": "short"})
	status, body := admin(t, node, http.MethodPut, "/_weft/v1/blacklist/short", `{"ttl":"6s"}`)
	if status/100 != 2 {
		t.Fatalf("revoke: %d %s", status, body)
	}
	eventually(t, 20*time.Second, "the token is refused", func() bool {
		status, _ := refusal(t, node, client.Poll, token)
		return status == 403
	})
	eventually(t, 40*time.Second, "the entry is gone after its time", func() bool {
		status, _ := refusal(t, node, client.Poll, token)
		return status == 0
	})
	eventually(t, 20*time.Second, "the list does not hold it any more", func() bool {
		_, body := admin(t, node, http.MethodGet, "/_weft/v1/blacklist", "")
		return !strings.Contains(string(body), "short")
	})
}

// A token that runs out ends its open connections with expired.
func TestExpiredTokenEndsItsConnections(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	exp := time.Now().Add(8 * time.Second) // all are to be connected by then
	token := stage.Token(t, "ann", stage.Claims{"exp": exp.Unix()})
	conns := map[client.Transport]*client.Recorder{}
	for _, kind := range client.Transports {
		conns[kind] = record(t, kind, client.Target{URL: node.URL(), Token: token})
	}
	for kind, want := range map[client.Transport]string{
		client.SSE: "expired 0", client.WebSocket: "expired 4401", client.Poll: "token_expired 401",
	} {
		reason, code := awaitEnding(t, kind, conns[kind], 30*time.Second)
		if got := fmt.Sprint(reason, " ", code); got != want {
			t.Errorf("%s ended with %q, want %q", kind, got, want)
		}
		if time.Now().Before(exp.Truncate(time.Second)) {
			t.Errorf("%s ended before its time", kind)
		}
		if status, _ := refusal(t, node, kind, token); status != 401 {
			t.Errorf("%s: %d for an expired token, want 401", kind, status)
		}
	}
}

// A WebSocket that brings a new token in time goes on.
func TestWebSocketTakesANewToken(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	exp := time.Now().Add(8 * time.Second) // all are to be connected by then
	r := record(t, client.WebSocket, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", stage.Claims{"exp": exp.Unix()})})
	if err := r.Send(map[string]string{"token": stage.Token(t, "ann", nil), "ref": "new"}); err != nil {
		t.Fatal(err)
	}
	answer, err := r.AwaitType(soon(t), "answer")
	if err != nil || !strings.Contains(string(answer.Data), `"ok":true`) {
		t.Fatalf("answer %q, %v", answer.Data, err)
	}
	select {
	case <-r.Done():
		t.Fatalf("ended: %v", r.Err())
	case <-time.After(time.Until(exp.Add(2 * time.Second))):
	}
	publish(t, node, "ann", "", []byte(`"still here"`))
	awaitEvents(t, r, 1)
}
