package upstream_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/edge/proxy/upstream"
	"weft/edge/route"
)

// A client that does not take what it is told meanwhile holds up no other request of the
// connection to the server, and is told all in its order.
func TestAClientThatIsNotToldMeanwhileHoldsUpNobody(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hints" {
			for _, n := range []string{"1", "2", "3"} {
				w.Header().Set("N", n)
				w.WriteHeader(http.StatusEarlyHints)
			}
		}
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	u, err := upstream.New(nil, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	document := `{"pattern":"/{rest...}","auth":{"mode":"none"},"target":"` + strings.Replace(server.URL, "http:", "h2c:", 1) + `"}`
	served, bad := route.Parse("r", []byte(document))
	if bad != nil {
		t.Fatal(bad)
	}
	ask := func(ctx context.Context, path string) error {
		in := httptest.NewRequest(http.MethodGet, path, nil)
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		call := &route.Call{Route: served, Request: in, RequestID: "id-1", End: cancel}
		out := in.Clone(route.WithCall(ctx, call))
		u.Rewrite(out, call)
		res, err := u.RoundTrip(out)
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
	if err := ask(t.Context(), "/warm"); err != nil {
		t.Fatal(err)
	}
	began, taken, told := make(chan bool), make(chan bool), []string(nil)
	trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
		if told = append(told, h.Get("N")); len(told) == 1 {
			close(began)
			<-taken
		}
		return nil
	}}
	done := make(chan error, 1)
	go func() { done <- ask(httptrace.WithClientTrace(t.Context(), trace), "/hints") }()
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := ask(ctx, "/other"); err != nil {
		t.Errorf("another request: %v", err)
	}
	close(taken)
	if err := <-done; err != nil || !slices.Equal(told, []string{"1", "2", "3"}) {
		t.Errorf("told %v, %v", told, err)
	}
}
