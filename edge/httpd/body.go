package httpd

import (
	"net/http"
	"time"
)

// BodyTime bounds how long the body of a request may take to arrive from now on, also
// of one that is refused unread: the server reads what is left before it answers. 0 is
// no limit. A later call counts, so a handler that takes long bodies sets a limit of its
// own.
func BodyTime(w http.ResponseWriter, r *http.Request, limit time.Duration) {
	if r.ContentLength == 0 { // -1: unknown
		return
	}
	var at time.Time
	if limit > 0 {
		at = time.Now().Add(limit)
	}
	// The writers of net/http all have read deadlines.
	_ = http.NewResponseController(w).SetReadDeadline(at)
}
