package test

import (
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

// A rigCall is a request as the page shows it, with its body on the next line.
type rigCall struct{ method, target, body string }

// A rigExample is what a section of the page shows.
type rigExample struct {
	claims               stage.Claims // nil: no token
	follow, change, send []rigCall
}

func rigExampleOf(t *testing.T, heading string) (x rigExample) {
	t.Helper()
	for _, b := range codeBlocks(t, rigPage, heading) {
		lines := strings.Split(strings.TrimSpace(b), "\n")
		for i, line := range lines {
			method, target, _ := strings.Cut(line, " ")
			c := rigCall{method: method, target: target}
			if i+1 < len(lines) {
				c.body = lines[i+1]
			}
			switch method {
			case http.MethodGet:
				x.follow = append(x.follow, c)
			case http.MethodPatch:
				x.change = append(x.change, c)
			case http.MethodPost:
				x.send = append(x.send, c)
			case `{"username":`:
				if err := json.Unmarshal([]byte(line), &x.claims); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if len(x.follow) == 0 || len(x.send) == 0 {
		t.Fatalf("%s shows %+v", heading, x)
	}
	return x
}

func (x rigExample) token(t *testing.T) string {
	if x.claims == nil {
		return ""
	}
	return stage.Token(t, x.claims["username"].(string), x.claims)
}

// Each example of RIG's documentation that is about events: the connections that the page
// shows have what it says of what it publishes, and nothing else.
func TestRIGsExamplesOfEventsAreCarriedOver(t *testing.T) {
	t.Parallel()
	config := blockWith(t, codeBlocks(t, rigPage, "## Events"), "ingest:")
	node := stage.StartNode(t, settingsOf(t, config, strings.NewReplacer()))
	for _, c := range []struct {
		heading string
		have    [][]string // the ids of each connection's events
		last    []string   // a subject that each connection follows
	}{
		{"## Everybody: docs/tutorial.md", [][]string{{"first-event"}}, []string{"topic.events.greeting"}},
		{"## One call: docs/event-subscription.md", [][]string{{"after"}}, []string{"topic.events.greeting2"}},
		{"## A name that the client chooses: examples/simple-extractor.json", [][]string{{"to John", "to Frank"}}, []string{"topic.greeting.Frank"}},
		{"## The name in the token: examples/jwt-extractor.json", [][]string{{"to him"}}, []string{"topic.greeting.john=2Edoe"}},
		{"## Several constraints: Rig.EventFilter", [][]string{{"both", "head"}, {"both"}},
			[]string{"topic.pull.octocat.octocat=2FHello-World.other", "topic.pull.octocat.octocat=2FHello-World.octocat=2FHello-World"}},
		{"## A privileged user: docs/rig-ops-guide.md", [][]string{{"to john"}}, []string{"user.john"}},
	} {
		t.Run(c.heading, func(t *testing.T) {
			x := rigExampleOf(t, c.heading)
			var followers []*client.Recorder
			for _, f := range x.follow {
				target, err := url.Parse(f.target)
				if err != nil {
					t.Fatal(err)
				}
				followers = append(followers, record(t, client.WebSocket, client.Target{URL: node.URL(), Token: x.token(t), Query: target.Query()}))
			}
			for _, change := range x.change {
				open, err := followers[0].AwaitType(soon(t), client.TypeOpen)
				if err != nil {
					t.Fatal(err)
				}
				var about client.Opened
				if err := json.Unmarshal(open.Data, &about); err != nil {
					t.Fatal(err)
				}
				path := strings.Replace(change.target, "<connection>", about.Connection, 1)
				if status, text := asked(t, change.method, node.URL()+path, x.token(t), "application/json", change.body); status != http.StatusOK ||
					!strings.Contains(text, "topic.events.greeting2") || strings.Contains(text, `greeting"`) {
					t.Fatalf("%s %s: %d %s", change.method, change.body, status, text)
				}
			}
			for _, s := range x.send {
				if status, text := asked(t, s.method, node.AdminURL()+s.target, "", "application/cloudevents+json", s.body); status != http.StatusAccepted {
					t.Fatalf("%s: %d %s", s.body, status, text)
				}
			}
			for i, f := range followers {
				end := fmt.Sprintf(`{"specversion":"1.0","type":"end","id":"end of %s %d","source":"test"}`, c.heading, i)
				to := "/_weft/v1/events?subject=" + url.QueryEscape(c.last[i])
				if status, text := asked(t, http.MethodPost, node.AdminURL()+to, "", "application/cloudevents+json", end); status != http.StatusAccepted {
					t.Fatalf("%s: %d %s", end, status, text)
				}
				var ids []string
				err := f.Await(within(t, time.Minute), func(all []client.Event) bool {
					ids = nil
					for _, e := range all {
						var about struct{ ID string }
						if json.Unmarshal(e.CloudEvent, &about) == nil && about.ID != "" {
							ids = append(ids, about.ID)
						}
					}
					return slices.ContainsFunc(ids, func(id string) bool { return strings.HasPrefix(id, "end of") })
				})
				ids = slices.DeleteFunc(ids, func(id string) bool { return strings.HasPrefix(id, "end of") })
				if err != nil || !slices.Equal(ids, c.have[i]) {
					t.Errorf("%s has %q, %v; want %q", x.follow[i].target, ids, err, c.have[i])
				}
			}
		})
	}

	// What the page says of others, and of those without a token.
	for _, c := range []struct {
		claims  stage.Claims
		subject string
		status  int
	}{
		{stage.Claims{"username": "ann"}, "user.john", http.StatusForbidden},
		{stage.Claims{"username": "hubot"}, "topic.pull.octocat.*.*", http.StatusForbidden},
		{nil, "user.john", http.StatusForbidden},
		{nil, "topic.greeting.John", http.StatusOK},
	} {
		token := rigExample{claims: c.claims}.token(t)
		address := node.URL() + "/_weft/v1/events?wait=0s&subject=" + url.QueryEscape(c.subject)
		if status, text := asked(t, http.MethodGet, address, token, "", ""); status != c.status {
			t.Errorf("%v follows %s: %d %s, want %d", c.claims, c.subject, status, text, c.status)
		}
	}
}
