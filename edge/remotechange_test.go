package edge

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"weft/edge/transport"
)

// A node of the version before reads a change as it was, and is not sent what it would
// read as something less.
func TestAChangeIsReadByTheVersionBefore(t *testing.T) {
	type before struct {
		Connection string `json:"connection"`
		User       []byte `json:"user"`
		Change     struct {
			Subscribe   []string `json:"subscribe"`
			Unsubscribe []string `json:"unsubscribe"`
			LastEventID string   `json:"last_event_id"`
			Token       string   `json:"token"`
		} `json:"change"`
	}
	for body, method := range map[string]string{
		`{"subscribe":["topic.a","topic.b"],"unsubscribe":["topic.c"],"last_event_id":"x","token":"a.b.c"}`: methodChange,
		`{"subscribe":[{"subject":"topic.a"},"topic.b"]}`:                                                   methodChange,
		`{"subscribe":["topic.b",{"subject":"topic.a","type":[]}]}`:                                         methodModern,
		`{"set":[]}`:                          methodModern,
		`{"set":["topic.a"],"token":"a.b.c"}`: methodModern,
	} {
		asked, err := transport.ReadChange(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := methodOf(&asked); got != method {
			t.Errorf("%s goes by %q", body, got)
		}
		data, err := json.Marshal(remoteChange{Connection: "c", User: []byte("ann"), Change: asked})
		if err != nil {
			t.Fatal(err)
		}
		var now remoteChange
		if err := json.Unmarshal(data, &now); err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(now); string(again) != string(data) {
			t.Errorf("%s is read as %s", data, again)
		}
		var old before
		if err := json.Unmarshal(data, &old); method == methodChange && (err != nil || old.Connection != "c" || string(old.User) != "ann") {
			t.Fatalf("%s: %v", data, err)
		}
		if method == methodChange && (!slices.Equal(old.Change.Subscribe, []string{"topic.a", "topic.b"}) || (old.Change.Token == "") != (asked.Token == "") ||
			old.Change.LastEventID != asked.LastEventID || !slices.Equal(old.Change.Unsubscribe, asked.Unsubscribe)) {
			t.Errorf("%s is read as %+v", data, old)
		}
	}
}
