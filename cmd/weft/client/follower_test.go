package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A node answers one connection after the other with what script says; the
// connection breaks after it.
type node struct {
	mu     sync.Mutex
	script [][]string // JSON frames of each connection
	asked  []string   // last_event_id of each connection
	status int        // when not 0, instead of frames
	code   string
}

func (n *node) next(r *http.Request) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, r.URL.Query().Get("last_event_id"))
	if len(n.script) == 0 {
		return nil
	}
	frames := n.script[0]
	n.script = n.script[1:]
	return frames
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	frames := n.next(r)
	switch {
	case n.status != 0:
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(n.status)
		fmt.Fprintf(w, `{"status":%d,"code":%q,"detail":"no"}`, n.status, n.code)
	case websocket.IsWebSocketUpgrade(r):
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for _, f := range frames {
			if conn.WriteMessage(websocket.TextMessage, []byte(f)) != nil {
				return
			}
		}
	case r.Header.Get("Accept") == "text/event-stream":
		fmt.Fprint(w, "retry: 2000\n\n")
		for _, f := range frames {
			fmt.Fprintf(w, "id: x\ndata: %s\n\n", f)
		}
	default:
		last := ""
		for _, f := range frames {
			frame, _ := parseFrame([]byte(f))
			last = frame.ID
		}
		if frames == nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, `{"events":[%s],"last_event_id":%q,"reset":false}`, strings.Join(frames, ","), last)
	}
}

// follow runs a follower against n until want events came, and returns them.
func follow(t *testing.T, n *node, name, lastID string, want int) (ids []string, waits []time.Duration, err error) {
	t.Helper()
	srv := httptest.NewServer(n)
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	f := &Follower{URL: srv.URL, User: "ann", Transport: name, sleep: func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = f.Run(ctx, lastID, func(frame Frame) error {
		if strings.HasPrefix(frame.Type, "weft.") {
			return nil
		}
		ids = append(ids, frame.ID)
		if len(ids) == want {
			return ErrStop
		}
		return nil
	})
	return ids, waits, err
}

func TestABrokenConnectionIsResumedAfterTheLastEventHandedOn(t *testing.T) {
	for _, name := range Transports() {
		t.Run(name, func(t *testing.T) {
			n := &node{script: [][]string{
				{`{"id":"1","data":1}`, `{"id":"2","data":"two"}`},
				{`{"id":"3","data_base64":"/w=="}`},
			}}
			ids, _, err := follow(t, n, name, "0", 3)
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{"1", "2", "3"}; !reflect.DeepEqual(ids, want) {
				t.Errorf("got %q, want %q", ids, want)
			}
			if want := []string{"0", "2"}; !reflect.DeepEqual(n.asked[:2], want) {
				t.Errorf("asked to resume after %q, want %q", n.asked, want)
			}
		})
	}
}

func TestAnEndingForGoodEndsTheFollower(t *testing.T) {
	for reason, again := range map[string]bool{"revoked": false, "expired": true, "unauthorised": false} {
		for _, name := range []string{"sse", "ws"} {
			data, _ := json.Marshal(Ended{Reason: reason, Reconnect: again})
			n := &node{script: [][]string{{`{"type":"weft.close","data":` + string(data) + `}`}}}
			_, waits, err := follow(t, n, name, "", 1)
			var ended *Ended
			if !errors.As(err, &ended) || ended.Reason != reason || len(waits) != 0 {
				t.Errorf("%s over %s: got %v after %d waits", reason, name, err, len(waits))
			}
		}
	}
}

func TestAnEndingThatPassesIsWaitedForAsLongAsTheNodeAsks(t *testing.T) {
	for name, bye := range map[string]string{
		"sse": `{"reason":"drain","reconnect":true}`, // after the retry: of the stream
		"ws":  `{"reason":"drain","reconnect":true,"retry":2000}`,
	} {
		n := &node{script: [][]string{{`{"type":"weft.close","data":` + bye + `}`}, {`{"id":"1"}`}}}
		ids, waits, err := follow(t, n, name, "", 1)
		if err != nil || len(ids) != 1 || len(waits) != 1 {
			t.Errorf("%s: got events %q, %d waits, error %v", name, ids, len(waits), err)
		} else if waits[0] < 2*time.Second || waits[0] >= 2*time.Second+maxJitter {
			t.Errorf("%s: waited %v, want the 2s that the node asked for and a little more", name, waits[0])
		}
	}
}

func TestBeingTurnedAwayAgainAndAgainMakesTheWaitsGrow(t *testing.T) {
	for name, no := range map[string]string{
		"sse": `{"type":"weft.close","data":{"reason":"limit","reconnect":true}}`,
		"ws":  `{"type":"weft.close","data":{"reason":"limit","reconnect":true,"retry":900}}`,
	} {
		n := &node{script: [][]string{{no}, {no}, {no}, {no}, {no}, {no}, {`{"id":"1"}`}}}
		ids, waits, err := follow(t, n, name, "", 1)
		if err != nil || !reflect.DeepEqual(ids, []string{"1"}) || len(waits) != 6 {
			t.Fatalf("%s: got events %q, %d waits, error %v", name, ids, len(waits), err)
		}
		if last := waits[5]; last < 8*time.Second || last > 16*time.Second {
			t.Errorf("%s: the sixth wait is %v, want 8s to 16s", name, last)
		}
	}
}

func TestAResetOfAPollSaysOfWhat(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"events":[],"last_event_id":"9","reset":true,"resets":[{"subjects":["user.ann"],"reason":"trimmed"}]}`)
	}))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	f := &Follower{URL: srv.URL, User: "ann", Transport: "poll"}
	err := f.Run(t.Context(), "1", func(frame Frame) error {
		if frame.Type != TypeReset || !strings.Contains(string(frame.Data), "trimmed") {
			t.Errorf("got %+v, want a reset with its reason", frame)
		}
		return ErrStop
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPresenceOfAPollIsToldOnceAndOnChange(t *testing.T) {
	states := []string{`{"user":"bob","online":false,"connections":0}`, `{"user":"bob","online":true,"connections":1}`}
	answers := []string{states[0], states[0], states[1]}
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := min(len(asked), len(answers)-1)
		asked = append(asked, r.URL.Query().Get("presence"))
		fmt.Fprintf(w, `{"events":[],"last_event_id":"%d","reset":false,"presence":[%s],"presence_id":"p%d"}`, len(asked), answers[n], n)
	}))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var told []string
	f := &Follower{URL: srv.URL, User: "ann", Transport: "poll"}
	err := f.Run(t.Context(), "", func(frame Frame) error {
		if frame.Type == TypePresence {
			if told = append(told, string(frame.Data)); len(told) == 2 {
				return ErrStop
			}
		}
		return nil
	})
	if err != nil || !reflect.DeepEqual(told, states) || !reflect.DeepEqual(asked, []string{"", "p0", "p1"}) {
		t.Errorf("told %q, asked with %q, %v", told, asked, err)
	}
}

func TestAProblemThatWaitingDoesNotMendIsTheError(t *testing.T) {
	for _, name := range Transports() {
		n := &node{status: http.StatusUnauthorized, code: "token_invalid"}
		_, waits, err := follow(t, n, name, "", 1)
		var p *Problem
		if !errors.As(err, &p) || p.Code != "token_invalid" || len(waits) != 0 {
			t.Errorf("%s: got %v after %d waits", name, err, len(waits))
		}
	}
}

func TestWaitsGrowAndHonourTheNode(t *testing.T) {
	n := &node{status: http.StatusServiceUnavailable, code: "not_ready"}
	srv := httptest.NewServer(n)
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	enough := errors.New("enough")
	var waits []time.Duration
	ctx, cancel := context.WithCancelCause(t.Context())
	f := &Follower{URL: srv.URL, Transport: "sse", sleep: func(ctx context.Context, d time.Duration) error {
		if waits = append(waits, d); len(waits) == 12 {
			cancel(enough)
		}
		return ctx.Err()
	}}
	if err := f.Run(ctx, "", func(Frame) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if waits[0] < 7*time.Second || waits[0] >= 7*time.Second+maxJitter {
		t.Errorf("first wait %v, want the node's 7s and a little more", waits[0])
	}
	if last := waits[len(waits)-1]; last < longestWait/2 || last > longestWait {
		t.Errorf("last wait %v, want %v to %v", last, longestWait/2, longestWait)
	}
}

func TestAPollThatIsAnsweredAtOnceWithoutEventsIsNotRepeatedAtOnce(t *testing.T) {
	n := &node{script: [][]string{{}, {`{"id":"1"}`}}}
	ids, waits, err := follow(t, n, "poll", "0", 1)
	if err != nil || len(ids) != 1 || len(waits) != 1 {
		t.Errorf("got events %q, %d waits, error %v", ids, len(waits), err)
	}
}

func TestAnAddressThatIsNoneIsNotTriedAgain(t *testing.T) {
	for _, name := range Transports() {
		f := &Follower{URL: "localhost:4000", Transport: name}
		if err := f.Run(t.Context(), "", nil); !errors.Is(err, errURL) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzSSEStreamNeverPanics(f *testing.F) {
	f.Add("data: {}\n\n")
	f.Add("data: {\ndata: }\n\nid: 1\n\n:\n\ndata\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		if err := readSSE(strings.NewReader(text), func() {}, func(Frame) error { return nil }); err == nil {
			t.Fatal("a stream that ends is no error")
		}
	})
}
