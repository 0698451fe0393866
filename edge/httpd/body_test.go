package httpd

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestAHandlerSetsTheTimeOfItsBodyItself(t *testing.T) {
	var own time.Duration
	var failed error
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		BodyTime(w, r, 1) // is over
		if own >= 0 {
			BodyTime(w, r, own)
		}
		_, failed = io.ReadAll(r.Body)
	}))
	defer s.Close()
	for own = range map[time.Duration]bool{-1: true, 0: true, time.Hour: true} {
		// Larger than what is read together with the head.
		resp, err := http.Post(s.URL, "text/plain", strings.NewReader(strings.Repeat("x", 1<<20)))
		if err == nil {
			_ = resp.Body.Close()
		}
		if late := errors.Is(failed, os.ErrDeadlineExceeded); late != (own < 0) {
			t.Errorf("with a limit of its own of %v: %v", own, failed)
		}
	}
}
