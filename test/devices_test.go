package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// seen waits until a follower was told a state of presence, as its last.
func seen(t *testing.T, r *client.Recorder, of, want string) {
	t.Helper()
	last := ""
	err := r.Await(within(t, time.Minute), func(all []client.Event) bool {
		for _, e := range all {
			if e.Type == client.TypePresence && strings.Contains(string(e.Data), of) {
				last = string(e.Data)
			}
		}
		return last == want
	})
	if err != nil {
		t.Fatalf("told last %s, want %s: %v", last, want, err)
	}
}

func presenceOf(kind, name string, connections int) string {
	return fmt.Sprintf(`{%q:%q,"online":%v,"connections":%d}`, kind, name, connections > 0, connections)
}

// Whoever follows presence on one node is told of connections to the others, by every
// transport; a WebSocket and a PATCH through another node begin and end it; devices are
// shown to those who may see them, and nobody follows what was not allowed.
func TestPresenceIsFollowedOnOneNodeAndConnectedToOnAnother(t *testing.T) {
	t.Parallel()
	forming, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	nodes := stage.StartCluster(t, forming, map[string]any{
		"auth.allow":           []string{"presence.bob", "presence.topic.hotel.*", "topic.hotel.*"},
		"auth.privileged":      []any{map[string]any{"claim": "/role", "any_of": []string{"support"}, "allow": []string{"presence.*", "presence.devices"}}},
		"auth.anonymous.allow": []string{"topic.hotel.*", "presence.topic.hotel.*"},
	})
	ann := stage.Token(t, "ann", nil)
	both := url.Values{"subject": {"presence.bob", "presence.topic.hotel.42"}, "wait": {"5s"}}
	var followers []*client.Recorder
	for i, kind := range client.Transports {
		r := record(t, kind, client.Target{URL: nodes[i].URL(), Token: ann, Query: both})
		seen(t, r, `"bob"`, presenceOf("user", "bob", 0))
		seen(t, r, `"hotel.42"`, presenceOf("topic", "hotel.42", 0))
		followers = append(followers, r)
	}
	all := func(of, want string) {
		t.Helper()
		for _, r := range followers {
			seen(t, r, of, want)
		}
	}
	bob := stage.Token(t, "bob", nil)
	var phones []*client.Recorder
	for i, n := range nodes {
		phones = append(phones, record(t, client.WebSocket, client.Target{URL: n.URL(), Token: bob, Query: url.Values{"device": {fmt.Sprint("phone ", i)}}}))
		all(`"bob"`, presenceOf("user", "bob", i+1))
		record(t, client.SSE, client.Target{URL: n.URL(), Query: url.Values{"subject": {"topic.hotel.42"}}})
		all(`"hotel.42"`, presenceOf("topic", "hotel.42", i+1))
	}

	sue := record(t, client.SSE, client.Target{URL: nodes[1].URL(), Token: stage.Token(t, "sue", map[string]any{"role": "support"}), Query: url.Values{"subject": {"presence.bob"}}})
	var told struct {
		Devices []struct{ ID, Node, Transport, Since, Agent, Device, Address string }
	}
	state, err := sue.AwaitType(soon(t), client.TypePresence)
	if err != nil || json.Unmarshal(state.Data, &told) != nil || len(told.Devices) != 3 {
		t.Fatalf("support is told %s, %v", state.Data, err)
	}
	for i, d := range told.Devices { // the oldest first
		if d.Device != fmt.Sprint("phone ", i) || d.Node != fmt.Sprint("n", i+1) || d.Transport != "websocket" || d.ID == "" || d.Since == "" || d.Address != "" {
			t.Errorf("device %d is %+v", i, d)
		}
	}
	for _, r := range followers {
		for _, e := range r.All() {
			if strings.Contains(string(e.Data), "phone") || strings.Contains(string(e.Data), "127.0.0.1") {
				t.Errorf("who may not see devices is told %s", e.Data)
			}
		}
	}
	if _, body := admin(t, nodes[2], http.MethodGet, "/_weft/v1/users/bob", ""); strings.Count(string(body), `"device":"phone `) != 3 {
		t.Errorf("operators see %s", body)
	}

	// While a connection is open: by a command, and by PATCH through another node.
	late := record(t, client.WebSocket, client.Target{URL: nodes[0].URL(), Token: ann})
	if err := late.Send(map[string]any{"subscribe": []string{"presence.bob"}}); err != nil {
		t.Fatal(err)
	}
	seen(t, late, `"bob"`, presenceOf("user", "bob", 3))
	quiet := record(t, client.SSE, client.Target{URL: nodes[0].URL(), Token: ann})
	var about client.Opened
	opened, err := quiet.AwaitType(soon(t), client.TypeOpen)
	if err != nil || json.Unmarshal(opened.Data, &about) != nil {
		t.Fatalf("%s: %v", opened.Data, err)
	}
	if status, body := changed(t, nodes[1], about.Connection, ann, `{"subscribe":["presence.bob"]}`); status != http.StatusOK || !strings.Contains(body, `"presence.bob"`) {
		t.Fatalf("PATCH: %d %s", status, body)
	}
	seen(t, quiet, `"bob"`, presenceOf("user", "bob", 3))
	if status, body := changed(t, nodes[1], about.Connection, ann, `{"unsubscribe":["presence.bob"]}`); status != http.StatusOK || strings.Contains(body, "presence") {
		t.Fatalf("PATCH: %d %s", status, body)
	}
	before := quiet.Count(client.TypePresence)

	// The state of a poll has the same id at each node, so that it goes on anywhere.
	first, err := client.PollOnce(soon(t), client.Target{URL: nodes[0].URL(), Token: ann, Query: both})
	if err != nil || len(first.Presence) != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	for _, n := range nodes {
		again, err := client.PollOnce(soon(t), client.Target{URL: n.URL(), Token: ann, Query: both})
		if err != nil || again.PresenceID != first.PresenceID {
			t.Errorf("%s and %s, %v", first.PresenceID, again.PresenceID, err)
		}
	}

	phones[0].Close()
	all(`"bob"`, presenceOf("user", "bob", 2))
	seen(t, late, `"bob"`, presenceOf("user", "bob", 2))
	if n := quiet.Count(client.TypePresence); n != before {
		t.Errorf("%d states are told of what is not followed any more", n-before)
	}

	for subject, problem := range map[string]string{
		"presence.eve": "forbidden", "presence.devices": "forbidden", "presence.topic.staff": "forbidden", "presence.*": "bad_subject", "presence.topic.hotel.>": "bad_subject",
	} {
		for _, token := range []string{ann, ""} {
			_, err := client.PollOnce(soon(t), client.Target{URL: nodes[0].URL(), Token: token, Query: url.Values{"subject": {subject}}})
			var refused *client.StatusError
			if !errors.As(err, &refused) || refused.Problem.Code != problem {
				t.Errorf("%s: %v", subject, err)
			}
		}
	}
	_, err = client.PollOnce(soon(t), client.Target{URL: nodes[0].URL(), Query: url.Values{"subject": {"presence.bob"}}})
	var refused *client.StatusError
	if !errors.As(err, &refused) || !slices.Contains([]string{"forbidden", "token_missing"}, refused.Problem.Code) {
		t.Errorf("presence of a user without a token: %v", err)
	}
}
