package client

import (
	"encoding/json"
	"testing"
)

// FuzzFrame reads what a node, or who says that it is one, sends over WebSocket and in
// answer to a poll.
func FuzzFrame(f *testing.F) {
	for _, text := range []string{`{"id":"1","subject":"user.ann","type":"t","data":{"a":1}}`, `{"id":"2","data_base64":"AP8="}`,
		`{"type":"weft.close","data":{"reason":"draining","retry":1500,"reconnect":true}}`, `{"type":"weft.close","data":7}`, `{}`, `[`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		frame, err := parseFrame(text)
		if err != nil {
			return
		}
		if frame.ID == "" && frame.Type == "" {
			t.Fatalf("neither an event nor a word of the node: %q", text)
		}
		if bye := frame.ended(); bye.Reason == "" || bye.RetryAfter < 0 {
			t.Fatalf("%q ends with %+v", text, bye)
		}
		again, err := json.Marshal(frame)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseFrame(again); err != nil {
			t.Fatalf("%q, written again: %q: %v", text, again, err)
		}
	})
}
