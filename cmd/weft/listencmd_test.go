package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Who wants two events gets two, however often it is told who is there.
func TestPresenceIsPrintedAndCountsAsNoEvent(t *testing.T) {
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		fmt.Fprintf(w, `{"events":[{"id":"%d","subject":"topic.a","data":%d}],"last_event_id":"%d","reset":false,"presence":[{"user":"bob","online":true,"connections":%d}],"presence_id":"p%d"}`, n, n, n, n, n)
	}))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var out bytes.Buffer
	cmd := newRoot()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs([]string{"listen", "--url", srv.URL, "--user", "ann", "--transport", "poll", "--count", "2"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, `"subject":"topic.a"`) != 2 || strings.Count(got, `"weft.presence"`) != 2 {
		t.Errorf("printed %s", got)
	}
}
