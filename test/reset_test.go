package test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// resume connects with an id, lets what was missed come and then one event more,
// and returns all up to that one.
func resume(t *testing.T, n *stage.Node, kind client.Transport, user, id string) (events []client.Event, resets int) {
	t.Helper()
	target := client.Target{URL: n.URL(), Token: stage.Token(t, user, nil), LastID: id}
	if kind == client.Poll {
		target.Query = url.Values{"wait": {"1s"}}
	}
	r := record(t, kind, target)
	// Only when the gateway has answered has it judged the id; what is published
	// from then on must come.
	if err := r.Await(soon(t), func(all []client.Event) bool { return len(all) > 0 }); err != nil {
		t.Fatal(err)
	}
	marker := fmt.Sprintf(`{"marker":%d}`, time.Now().UnixNano())
	publish(t, n, user, "", []byte(marker))
	last := func(e client.Event) bool { return string(e.Data) == marker }
	if err := r.Await(soon(t), func(all []client.Event) bool { return slices.ContainsFunc(all, last) }); err != nil {
		t.Fatalf("wait for the event after a resume over %s: %v; have %s", kind, err, describe(r.All()))
	}
	r.Close()
	events = r.Events()
	if !last(events[len(events)-1]) {
		t.Errorf("%s: something came after the last event: %s", kind, describe(events))
	}
	return events[:len(events)-1], r.Count(client.TypeReset)
}

// A cursor that is older than what is kept gives one reset, then what comes anew.
func TestCursorOlderThanRetentionGivesOneReset(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("events.max_per_subject", 5))
	for _, kind := range client.Transports {
		t.Run(string(kind), func(t *testing.T) {
			user := "ann-" + string(kind)
			publish(t, node, user, "", []byte(`0`))
			r := record(t, kind, client.Target{URL: node.URL(), Token: stage.Token(t, user, nil)})
			publish(t, node, user, "", []byte(`1`))
			awaitEvents(t, r, 1)
			r.Close()
			id := r.LastID()
			for i := range 10 {
				publish(t, node, user, "", fmt.Appendf(nil, "%d", i+2))
			}
			events, resets := resume(t, node, kind, user, id)
			if resets != 1 {
				t.Errorf("%d resets, want 1", resets)
			}
			if len(events) != 0 {
				t.Errorf("events older than the reset came: %s", describe(events))
			}
		})
	}
}

// The id that comes with a reset is good: who resumes from it misses nothing.
func TestIDOfAResetResumesExactly(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("events.max_per_subject", 5))
	target := client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)}
	r := record(t, client.SSE, target)
	r.Close()
	for i := range 10 {
		publish(t, node, "ann", "", fmt.Appendf(nil, "%d", i))
	}
	target.LastID = r.LastID()
	r = record(t, client.SSE, target)
	reset, err := r.AwaitType(soon(t), client.TypeReset)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	publish(t, node, "ann", "", []byte("1"))
	publish(t, node, "ann", "", []byte("2"))
	for _, kind := range client.Transports {
		events, resets := resume(t, node, kind, "ann", reset.ID)
		if resets != 0 || len(events) < 2 || string(events[0].Data) != "1" || string(events[1].Data) != "2" {
			t.Errorf("%s: %d resets and %s", kind, resets, describe(events))
		}
	}
}

// A user who lost nothing is never told so, however busy the others are.
func TestQuietUserGetsNoResetHoweverBusyTheOthers(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("events.max_per_subject", 100))
	quiet := map[string]string{} // user: the id it left with
	for _, kind := range client.Transports {
		for _, history := range []string{"never", "some"} {
			user := history + "-" + string(kind)
			if history == "some" {
				publish(t, node, user, "", []byte(`"before"`))
			}
			r := record(t, kind, client.Target{URL: node.URL(), Token: stage.Token(t, user, nil)})
			if history == "some" {
				publish(t, node, user, "", []byte(`"seen"`))
				awaitEvents(t, r, 1)
			}
			r.Close()
			quiet[user] = r.LastID()
		}
	}
	flood := func() {
		nc := node.NATS()
		for i := range 20 * 300 {
			if err := nc.Publish(fmt.Sprintf("user.busy%d", i%20), []byte(`{"flood":true}`)); err != nil {
				t.Fatal(err)
			}
		}
		publishNATS(t, nc, "user.busy0", nil, []byte("end"))
	}
	flood()
	for user := range quiet {
		publish(t, node, user, "", []byte(`"missed 1"`))
	}
	flood()
	for user := range quiet {
		publish(t, node, user, "", []byte(`"missed 2"`))
	}
	flood()
	for _, kind := range client.Transports {
		for _, history := range []string{"never", "some"} {
			user := history + "-" + string(kind)
			events, resets := resume(t, node, kind, user, quiet[user])
			if resets != 0 {
				t.Errorf("%s: %d resets, want none", user, resets)
			}
			if len(events) != 2 || string(events[0].Data) != `"missed 1"` || string(events[1].Data) != `"missed 2"` {
				t.Errorf("%s: want the two missed events, got %s", user, describe(events))
			}
		}
	}
}

// Age is a limit like the number of events is: what has grown too old is a reset.
func TestCursorOlderThanMaxAgeGivesOneReset(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("events.max_age", "10s").
		With("events.max_per_subject", 100_000)) // age alone is to drop events
	ids := map[client.Transport]string{}
	for _, kind := range client.Transports {
		user := "ann-" + string(kind)
		r := record(t, kind, client.Target{URL: node.URL(), Token: stage.Token(t, user, nil)})
		publish(t, node, user, "", []byte(`"seen"`))
		awaitEvents(t, r, 1)
		r.Close()
		ids[kind] = r.LastID()
		publish(t, node, user, "", []byte(`"missed"`))
	}
	// The stream takes its time to drop what is old, and what is a little younger.
	for _, kind := range client.Transports {
		eventually(t, time.Minute, fmt.Sprint("an id older than 10s is answered with a reset over ", kind), func() bool {
			events, resets := resume(t, node, kind, "ann-"+string(kind), ids[kind])
			if resets > 1 || resets == 1 && len(events) > 0 {
				t.Errorf("%s: %d resets, want 1; %s", kind, resets, describe(events))
			}
			return resets == 1
		})
	}
}

// A node whose folder was put back from a backup meets cursors of a future that
// never was; one whose folder is new meets those of another stream. Both are told
// at once.
func TestCursorsOfAnotherTimeOrStreamAreResets(t *testing.T) {
	dir := t.TempDir()
	data, backup := filepath.Join(dir, "data"), filepath.Join(dir, "backup")
	node := stage.StartNode(t, stage.Settings(data))
	publish(t, node, "ann", "", []byte(`1`))
	node.Stop()
	if err := os.CopyFS(backup, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	node.Start()
	r := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
	for i := range 2000 {
		publish(t, node, "ann", "", fmt.Appendf(nil, "%d", i))
	}
	if _, err := r.AwaitEvents(soon(t), 2000); err != nil {
		t.Fatal(err)
	}
	r.Close()
	id := r.LastID()
	node.Stop()

	for _, c := range []struct{ name, from string }{{"future", backup}, {"another stream", ""}} {
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		if c.from != "" {
			if err := os.CopyFS(data, os.DirFS(c.from)); err != nil {
				t.Fatal(err)
			}
		}
		node.Start()
		for _, kind := range client.Transports {
			events, resets := resume(t, node, kind, "ann", id)
			if resets != 1 || len(events) != 0 {
				t.Errorf("%s, %s: %d resets, want 1; %s", c.name, kind, resets, describe(events))
			}
		}
		node.Stop()
	}
}
