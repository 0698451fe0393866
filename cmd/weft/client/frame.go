package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// maxFrame bounds one frame, in bytes: a payload of 1 MiB in which every byte
// is escaped, and what is around it.
const maxFrame = 8 << 20

// Types of a node's own frames.
const (
	TypeOpen      = "weft.open"
	TypeReset     = "weft.reset"
	TypeKeepalive = "weft.keepalive"
	TypeClose     = "weft.close"
	TypePresence  = "weft.presence"
	// TypeExpiring and TypeUnsubscribed tell of the token: that it ends soon, and what one
	// that replaced it does not allow.
	TypeExpiring     = "weft.expiring"
	TypeUnsubscribed = "weft.unsubscribed"
)

// A Frame is one event, or a word of the node itself: then its type begins with
// weft. and it has no subject.
type Frame struct {
	ID      string `json:"id,omitempty"`
	Subject string `json:"subject,omitempty"`
	Type    string `json:"type,omitempty"`
	// Data is the payload: itself when it is JSON, else as a JSON string.
	Data json.RawMessage `json:"data,omitempty"`
	// DataBase64 is a payload that is not UTF-8.
	DataBase64 string `json:"data_base64,omitempty"`
}

func parseFrame(text []byte) (Frame, error) {
	var f Frame
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("%w: %d bytes that are no JSON frame", errFrame, len(text))
	}
	if f.ID == "" && f.Type == "" { // an event has an id, a word of the node a type
		return f, fmt.Errorf("%w: a frame with neither id nor type", errFrame)
	}
	return f, nil
}

// ended is the content of a weft.close.
func (f Frame) ended() *Ended {
	var bye struct {
		Ended
		Retry uint32 `json:"retry"` // milliseconds
	}
	if err := json.Unmarshal(f.Data, &bye); err != nil || bye.Reason == "" {
		return &Ended{Reason: "unknown", Reconnect: true}
	}
	bye.RetryAfter = time.Duration(bye.Retry) * time.Millisecond
	return &bye.Ended
}
