package proxy

import (
	"net/http"
	"time"
)

// informs is called before a 1xx is written, and what it returns after that.
func informs(x *exchange) (done func()) {
	if x.call.Request.ProtoMajor > 1 {
		// When the stream is closed meanwhile, net/http returns while it still reads the
		// headers of a 1xx, and whoever changes them then ends the process. Of those with
		// a Content-Length, which it leaves out, it makes a copy.
		x.Header()["Content-Length"] = noLength
		return func() { delete(x.Header(), "Content-Length") }
	}
	// Here is held what the end of the request waits for.
	patient(x, time.Now().Add(x.proxy.p.WriteTimeout))
	return func() { patient(x, time.Time{}) }
}

// patient bounds until when what is written must be taken, unless the exchange was ended.
func patient(x *exchange, until time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.ended {
		_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(until)
	}
}

var noLength = []string{"0"}
