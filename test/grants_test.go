package test

import (
	"bytes"
	"context"
	"encoding/json"
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

// A connection is on one node, its user's new token comes to a second one, and a third one
// publishes a burst meanwhile. What the token does not allow ends, what it brings begins,
// and what is left misses nothing.
func TestATokenForLessIsGivenToAnotherNodeInABurst(t *testing.T) {
	t.Parallel()
	forming, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	nodes := stage.StartCluster(t, forming, map[string]any{
		"auth.subscribe":         []string{"user.{/sub}", "topic.team.{/team}"},
		"auth.allow":             []string{"topic.room.{/rooms}"},
		"events.max_per_subject": 2000,
	})
	const burst = 400
	pad := strings.Repeat("x", 1000)
	for i, kind := range []client.Transport{client.SSE, client.WebSocket} {
		home, other, from := nodes[i], nodes[(i+1)%3], nodes[(i+2)%3].NATS()
		user := fmt.Sprint("ann", i)
		a, b := fmt.Sprintf("topic.room.a%d", i), fmt.Sprintf("topic.room.b%d", i)
		claims := func(team string, rooms ...string) string {
			return stage.Token(t, user, map[string]any{"team": team, "rooms": rooms})
		}
		wide, narrow := claims("x", "a"+fmt.Sprint(i), "b"+fmt.Sprint(i)), claims("y", "b"+fmt.Sprint(i))
		r := record(t, kind, client.Target{URL: home.URL(), Token: wide, Query: url.Values{"subject": {a, b}}})
		var about client.Opened
		opened, err := r.AwaitType(soon(t), client.TypeOpen)
		if err != nil || json.Unmarshal(opened.Data, &about) != nil || len(about.Subjects) != 4 {
			t.Fatalf("%s: %s: %v", kind, opened.Data, err)
		}
		half, published := make(chan struct{}), make(chan error, 1)
		go func() {
			for n := range burst {
				if n == burst/2 {
					close(half)
				}
				if err := from.Publish([]string{a, b}[n%2], fmt.Appendf(nil, `{"of":%q,"n":%d,"pad":%q}`, []string{a, b}[n%2], n, pad)); err != nil {
					published <- err
					return
				}
			}
			published <- from.Flush()
		}()
		<-half
		status, body := changed(t, other, about.Connection, wide, `{"token":"`+narrow+`"}`)
		if want := fmt.Sprintf(`{"subjects":["user.%s",%q,"topic.team.y"]}`, user, b); status != http.StatusOK || strings.TrimSpace(body) != want {
			t.Fatalf("%s: %d %s, want %s", kind, status, body, want)
		}
		if err := <-published; err != nil {
			t.Fatal(err)
		}
		publishNATS(t, from, a, nil, []byte(`"lost"`))
		publishNATS(t, from, "topic.team.x", nil, []byte(`"lost"`))
		publishNATS(t, from, "topic.team.y", nil, []byte(`"team"`))
		publishNATS(t, from, b, nil, []byte(`"end"`))
		if err := r.Await(soon(t), func(all []client.Event) bool {
			seen := func(data string) bool {
				return slices.ContainsFunc(all, func(e client.Event) bool { return string(e.Data) == data })
			}
			return seen(`"end"`) && seen(`"team"`)
		}); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		next, lost := 1, false
		for _, e := range r.All() {
			var event struct {
				Of string
				N  int
			}
			_ = json.Unmarshal(e.Data, &event) // others leave it empty
			switch {
			case e.Type == "weft.unsubscribed":
				if lost || !bytes.Equal(e.Data, fmt.Appendf(nil, `{"subjects":["topic.team.x",%q],"reason":"unauthorised"}`, a)) {
					t.Errorf("%s: told %s", kind, e.Data)
				}
				lost = true
			case lost && event.Of == a || string(e.Data) == `"lost"`:
				t.Fatalf("%s: an event of a lost subject comes after it was lost", kind)
			case event.Of == b && event.N != next:
				t.Fatalf("%s: of what is left came event %d, want %d", kind, event.N, next)
			case event.Of == b:
				next += 2
			}
		}
		if !lost || next != burst+1 {
			t.Errorf("%s: told of the loss: %v; of what is left the next one is %d", kind, lost, next)
		}
		nobody, err := http.NewRequestWithContext(soon(t), http.MethodPatch, other.URL()+"/_weft/v1/connections/"+about.Connection, strings.NewReader(`{"set":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := http.DefaultClient.Do(nobody); err != nil || answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: PATCH without a token: %+v, %v", kind, answer, err)
		} else {
			_ = answer.Body.Close()
		}
		if status, body := changed(t, other, about.Connection, narrow, `{"set":[]}`); status != http.StatusOK || strings.Contains(body, "room") {
			t.Errorf("%s: an empty set: %d %s", kind, status, body)
		}
		brief := record(t, kind, client.Target{URL: home.URL(), Token: stage.Token(t, user, map[string]any{"exp": time.Now().Add(50 * time.Second).Unix()})})
		var ends struct{ In int }
		if e, err := brief.AwaitType(soon(t), "weft.expiring"); err != nil || json.Unmarshal(e.Data, &ends) != nil || ends.In < 1 || ends.In > 50 {
			t.Errorf("%s: a token that ends soon is told of by %s: %v", kind, e.Data, err)
		}
	}
}
