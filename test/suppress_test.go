package test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"weft/test/client"
	"weft/test/stage"
)

// Nobody can make the store take another publisher's event for a duplicate: not
// with names and keys that look the same when they are written one after the
// other, not as a user who is called as the back end once was, and not from NATS
// with the id that another door would give.
func TestNobodySuppressesAnothersEvent(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("auth.publish", []string{"user.*", "topic.>"}))
	nc := node.NATS()
	keyed := func(user, key string) func(addressee, body string) {
		return func(addressee, body string) {
			t.Helper()
			origin, header := node.AdminURL(), map[string]string{"Idempotency-Key": key}
			if user != "" {
				origin, header["Authorization"] = node.URL(), "Bearer "+stage.Token(t, user, nil)
			}
			accepted(t, post(t, origin, url.Values{"user": {addressee}}, header, []byte(body)))
		}
	}
	event := func(user, source, id string) func(addressee, body string) {
		return func(addressee, body string) {
			t.Helper()
			origin := node.AdminURL()
			header := map[string]string{"ce-specversion": "1.0", "ce-type": "t", "ce-source": source, "ce-id": id}
			if user != "" {
				origin, header["Authorization"] = node.URL(), "Bearer "+stage.Token(t, user, nil)
			}
			accepted(t, post(t, origin, url.Values{"user": {addressee}}, header, []byte(body)))
		}
	}
	forged := func(id string) func(addressee, body string) {
		return func(addressee, body string) {
			t.Helper()
			publishNATS(t, nc, "user."+addressee, nats.Header{"Nats-Msg-Id": {fmt.Sprintf(id, "user."+addressee)}}, []byte(body))
		}
	}
	long := strings.Repeat("k", 190)
	for i, c := range []struct {
		name         string
		first, other func(addressee, body string)
	}{
		{"a slash in the key and in the user", keyed("a", "b/0"), keyed("a/b", "0")},
		{"a user who is called admin", keyed("admin", "k"), keyed("", "k")},
		{"an event of a user who is called admin", event("admin", "s", "1"), event("", "s", "1")},
		{"a hash in the source and in the id", event("a", "s#1", "2"), event("a", "s", "1#2")},
		{"a slash in the user and in the source", event("a", "b/s", "1"), event("a/b", "s", "1")},
		{"long keys", keyed("a", long+"/0"), keyed("a/"+long, "0")},
		{"an event and a key", event("a", "b", "1"), keyed("a", "b#1")},
		{"the id of a key from NATS", forged("h/admin/n/0/%s"), keyed("", "n")},
		{"the id of an event from NATS", forged("c/admin/s#n/%s"), event("", "s", "n")},
		{"today's id of a key from NATS", forged("ah//n/0/%s"), keyed("", "n")},
		{"an id from NATS that has been stored already", keyed("", "m"), forged("h/admin/m/0/%s")},
	} {
		user := fmt.Sprintf("u%d", i)
		r := record(t, client.Poll, client.Target{URL: node.URL(), Token: stage.Token(t, user, nil)})
		c.first(user, `"first"`)
		c.other(user, `"other"`)
		publish(t, node, user, "", []byte(`"end"`))
		if got := until(t, r, `"end"`); got != `"first" "other" "end"` {
			t.Errorf("%s: %s arrived", c.name, got)
		}
	}
	// What is the same is taken for the same.
	for name, send := range map[string]func(addressee, body string){
		"a key of the back end": keyed("", "k"), "a user's key": keyed("a/b", "k"), "a user's event": event("a", "s", "1"),
	} {
		user := "same-" + strings.ReplaceAll(name, " ", "-")
		r := record(t, client.Poll, client.Target{URL: node.URL(), Token: stage.Token(t, user, nil)})
		send(user, `"first"`)
		send(user, `"first"`)
		publish(t, node, user, "", []byte(`"end"`))
		if got := until(t, r, `"end"`); got != `"first" "end"` {
			t.Errorf("%s: %s arrived", name, got)
		}
	}
}

func accepted(t *testing.T, p posted) {
	t.Helper()
	if p.Status != 202 || len(p.IDs) != 1 {
		t.Fatalf("publish: %d %+v", p.Status, p.Problem)
	}
}

// until waits until a user's events end with the given payload and returns all
// payloads in order.
func until(t *testing.T, r *client.Recorder, end string) string {
	t.Helper()
	err := r.Await(soon(t), func([]client.Event) bool {
		events := r.Events()
		return len(events) > 0 && string(events[len(events)-1].Data) == end
	})
	events := r.Events()
	if err != nil {
		t.Fatalf("wait for %s: %v; have %s", end, err, describe(events))
	}
	payloads := make([]string, len(events))
	for i, e := range events {
		payloads[i] = string(e.Data)
	}
	return strings.Join(payloads, " ")
}

// The secret that ids begin with is on disk and nowhere else that one can look.
func TestTheSecretOfIDsIsShownNowhere(t *testing.T) {
	dir := t.TempDir()
	node := stage.StartNode(t, stage.Settings(dir).With("log.level", "debug"))
	follower := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil), Query: url.Values{"format": {"frame"}}})
	accepted(t, post(t, node.AdminURL(), url.Values{"user": {"ann"}}, map[string]string{"Idempotency-Key": "k"}, []byte(`1`)))
	awaitEvents(t, follower, 1)
	secret := ""
	written := regexp.MustCompile(`"weft_message_id_secret":\s*"([\w-]{16})"`)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if m := written.FindSubmatch(text); m != nil {
			secret = string(m[1])
		}
		return err
	})
	if err != nil || secret == "" {
		t.Fatalf("no secret is in the data folder: %v", err)
	}
	for _, path := range []string{"/metrics", "/readyz", "/_weft/v1/export", "/_weft/v1/nodes", "/_weft/v1/users/ann", "/_weft/v1/topics/topic.a", "/_weft/v1/users"} {
		if status, body := admin(t, node, http.MethodGet, path, ""); status != 200 || strings.Contains(string(body), secret) {
			t.Errorf("%s: status %d, the secret is shown: %v", path, status, strings.Contains(string(body), secret))
		}
	}
	if strings.Contains(describe(follower.All()), secret) {
		t.Error("a follower sees it")
	}
	node.Stop()
	if strings.Contains(strings.Join(node.Process().Output(), "\n"), secret) {
		t.Error("it is in the log")
	}
}
