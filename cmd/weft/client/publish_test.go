package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestPublishSendsAgainWithTheSameKeyWhileTheNodeIsUnsure(t *testing.T) {
	var keys []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		keys = append(keys, r.Header.Get("Idempotency-Key")+" "+string(body)+" "+r.URL.RawQuery+" "+r.Header.Get("Authorization"))
		if len(keys) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"ids":["abc"]}`)
	}))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	ids, err := Publish(t.Context(), srv.URL, "t", Publication{User: "ann", Type: "greeting", Data: []byte("{}"), Key: "k"})
	if err != nil || len(ids) != 1 || ids[0] != "abc" {
		t.Fatalf("got %q, %v", ids, err)
	}
	const want = "k {} type=greeting&user=ann Bearer t"
	if len(keys) != 2 || keys[0] != want || keys[1] != want {
		t.Errorf("sent %q, want twice %q", keys, want)
	}
}

func TestPublishDoesNotRepeatWhatIsRefused(t *testing.T) {
	tries := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		tries++
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"code":"bad_event","detail":"no"}`)
	}))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	_, err := Publish(t.Context(), srv.URL, "", Publication{User: "ann", Key: "k"})
	var p *Problem
	if !errors.As(err, &p) || p.Code != "bad_event" || tries != 1 {
		t.Errorf("got %v after %d tries", err, tries)
	}
}

// What is called JSON is held to it by the node.
func TestOnlyJSONInUTF8IsCalledJSON(t *testing.T) {
	for data, want := range map[string]string{
		`{"a":1}`: "application/json", "{\"a\":\"\xff\"}": "application/octet-stream",
		"hello": "text/plain; charset=utf-8", "": "text/plain; charset=utf-8", "\xff": "application/octet-stream",
	} {
		if got := contentType([]byte(data)); got != want {
			t.Errorf("%q is %s, want %s", data, got, want)
		}
	}
}
