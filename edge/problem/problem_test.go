package problem

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWhatAClientSees(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		want   string
		header string
	}{
		{New(Limit, "slow down").Retry(1500 * time.Millisecond), 429, `{"title":"Too Many Requests","status":429,"detail":"slow down","code":"limit"}`, "2"},
		{fmt.Errorf("wrapped: %w", New(TokenMissing, "a token is needed")), 401, `"code":"token_missing"`, ""},
		{errors.Join(errors.New("inner"), New(BadEvent, "shown")), 422, `"detail":"shown","code":"bad_event"`, ""},
		{New(StoreUnavailable, "later").Retry(time.Second), 503, `"code":"store_unavailable"`, "1"},
		{errors.New("inner"), 500, `"code":"internal"`, ""},
		{&Problem{Status: 400, Code: BadRequest, Detail: "bad", Errors: []FieldError{{"target", "is missing"}}}, 400,
			`"detail":"bad","code":"bad_request","errors":[{"field":"target","detail":"is missing"}]}`, ""},
		{New("made_up", "x"), 500, `"code":"internal"`, ""},
	} {
		w := httptest.NewRecorder()
		Write(w, c.err)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || strings.Contains(w.Body.String(), "inner") ||
			w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Retry-After") != c.header {
			t.Errorf("%v: %d %v %s", c.err, w.Code, w.Header(), w.Body)
		}
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for code, status := range statuses {
		if p := New(code, ""); p.Code != code || p.Status != status || status < 400 {
			t.Errorf("%s: %+v", code, p)
		}
	}
}
