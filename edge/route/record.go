package route

import "time"

// A Record is what the log of requests says of one. It holds no header, no body and no
// value of the query.
type Record struct {
	// Began is when the head of the request had been read.
	Began time.Time `json:"-"`
	// Route is "" when no route took the request.
	Route  string `json:"route"`
	Method string `json:"method"`
	// Path is as it was sent, with the names of the query's parameters.
	Path string `json:"path"`
	// Status is 0 when the client was told nothing.
	Status int `json:"status"`
	// Bytes are those of the answer's body that were written.
	Bytes    int64         `json:"bytes"`
	Duration time.Duration `json:"-"`
	Seconds  float64       `json:"duration_seconds"`
	Target   string        `json:"target,omitempty"`
	User     string        `json:"user,omitempty"`
	Session  string        `json:"session,omitempty"`
	Address  string        `json:"address,omitempty"`
	// RequestID names the request here and at the target.
	RequestID string `json:"request_id"`
	Outcome   string `json:"outcome"`
}
