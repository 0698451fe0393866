package transport

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"weft/edge/auth"
	"weft/edge/session"
	"weft/edge/wire"
	"weft/jetstream/feed"
	"weft/jetstream/presence"
)

// A poll that is ended before the store has said where it stands is answered with the place of
// its client, who would begin anew with an empty one, and lose what came meanwhile.
func TestAPollThatEndsBeforeItBeginsKeepsThePlaceOfItsClient(t *testing.T) {
	metrics, err := NewMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cause := range []session.Cause{session.Dismissed, session.Draining} {
		for lastID, want := range map[string]string{"c7": `{"events":[],"last_event_id":"c7","reset":false}` + "\n", "": `"code":"not_ready"`} {
			sessions := session.NewSessions(session.Params{
				Keepalive: time.Minute, Revoked: func(*auth.Identity) error { return nil }, Draining: func() error { return nil },
				Opened: func(*session.Session) {}, Closed: func(*session.Session) {},
			})
			id := session.NewID()
			poll := newPoll(&Params{
				Sessions: sessions, Metrics: metrics, WriteTimeout: time.Minute,
				Follow: func(context.Context, []string, feed.Start, feed.Receiver) (*feed.Reader, error) {
					sessions.Registry().Get(id).End(cause)
					return nil, context.Canceled
				},
				Watch: func(string, bool, func(presence.State)) func() { return func() {} },
			}, &wire.Keepalives{})
			w := httptest.NewRecorder()
			err := poll.Serve(w, &ConnectRequest{
				R:        httptest.NewRequest("GET", "/_weft/v1/events", nil),
				Query:    Query{Subjects: []string{"topic.hotel", "presence.topic.hotel"}, LastID: lastID, wait: time.Minute},
				Identity: &auth.Identity{User: "ann"}, About: session.About{ID: id, Transport: Poll}, Release: func() {},
			})
			if got := w.Body.String(); err != nil || !strings.Contains(got, want) {
				t.Errorf("%v after %q: %v, %d %s", cause, lastID, err, w.Code, got)
			}
		}
	}
}
