package test

import (
	"encoding/json"
	"testing"

	"weft/test/client"
	"weft/test/stage"
)

// Who publishes over its connection is told the id that everybody sees, as with a 202.
func TestAWebSocketClientIsToldTheIDOfItsEvent(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("auth.publish", []string{"user.{/sub}"}))
	r := record(t, client.WebSocket, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
	if err := r.Send(map[string]any{"ref": "1", "publish": map[string]any{"subject": "user.ann", "data": 1}}); err != nil {
		t.Fatal(err)
	}
	var answer struct{ Ref, ID string }
	err := r.Await(soon(t), func(all []client.Event) bool {
		for _, e := range all {
			if e.Type == "answer" && json.Unmarshal(e.Data, &answer) == nil && answer.Ref == "1" {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	if e := awaitEvents(t, r, 1)[0]; answer.ID == "" || e.EventID != answer.ID {
		t.Errorf("the event is %q, its publisher was told %q", e.EventID, answer.ID)
	}
}
