// Package tabs opens many tabs of a real Chromium, which share one connection, and closes, freezes,
// crashes and leaves the one that has it.
package tabs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/browser"
	"weft/test/stage"
)

var shared browser.Shared

func TestMain(m *testing.M) {
	code := m.Run()
	shared.Close()
	stage.RemoveBinary()
	os.Exit(code)
}

// chromium is the browser that all tests share.
func chromium(t *testing.T) *browser.Browser {
	t.Helper()
	return shared.Get(t)
}

// asked asks a node, and returns the status and what it answers.
func asked(t *testing.T, method, address, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// A sharer is a tab whose page follows by the client.
type sharer struct {
	*browser.Tab
	t *testing.T
}

// shares lets the page of a tab follow by the client, and keep what it is told.
func shares(t *testing.T, tab *browser.Tab, node *stage.Node, token, options string) sharer {
	t.Helper()
	tab.Run(fmt.Sprintf(`(async () => {
		window.got = [], window.resets = 0, window.states = []
		const { connect } = await import("%[1]s/_weft/v1/client.js")
		window.weft = connect({ url: %[1]q, token: %[2]q, ...%[3]s })
		weft.on("*", e => got.push(e.data.n))
		weft.onReset(() => resets++)
		weft.onState(s => states.push(s))
	})().catch(e => { window.got = String(e) })`, node.URL(), token, options))
	return sharer{tab, t}
}

// tabsNode is a node that keeps all that a test publishes.
func tabsNode(t *testing.T, b *browser.Browser) *stage.Node {
	t.Helper()
	return stage.StartNode(t, stage.Settings(t.TempDir()).With("public.cors_origins", []string{b.Origin}).
		With("public.keepalive", "1s").With("events.max_per_subject", 100_000).With("auth.allow", []string{"topic.hotel.*"}))
}

type shownState struct {
	State, Reason, Transport string
	Shared                   bool
}

func (s sharer) state() shownState {
	s.t.Helper()
	var is shownState
	if err := json.Unmarshal([]byte(s.Run(`JSON.stringify(window.weft?.state ?? {})`)), &is); err != nil {
		s.t.Fatal(err)
	}
	return is
}

func (s sharer) awaitOpen() {
	s.t.Helper()
	waitfor.Within(s.t, time.Minute, "the page is open", func() bool { return s.state().State == "open" })
}

// got is what the page has had: the numbers of events.
func (s sharer) got() []int {
	s.t.Helper()
	var got []int
	if text := s.Run("JSON.stringify(window.got)"); json.Unmarshal([]byte(text), &got) != nil {
		s.t.Fatalf("the page has %s", text)
	}
	return got
}

// isWhole checks that all has come once and in order, from the first event that came, and
// returns the last one.
func (s sharer) isWhole() int {
	s.t.Helper()
	got := s.got()
	for i, n := range got {
		if n != got[0]+i {
			s.t.Fatalf("after %d comes %d: %v; resets %s, states %s", got[i-1], n, got[max(0, i-5):min(len(got), i+5)], s.Run("resets"), s.Run("JSON.stringify(states)"))
		}
	}
	if len(got) == 0 {
		return 0
	}
	return got[len(got)-1]
}

// has waits until the page has had all up to an event, once and in order.
func (s sharer) has(last int) {
	s.t.Helper()
	limit := time.Now().Add(time.Minute)
	waitfor.Within(s.t, 2*time.Minute, fmt.Sprint("event ", last), func() bool {
		at := s.isWhole()
		if time.Now().After(limit) {
			s.t.Fatalf("the page has %d events of %d, resets %s, states %s", at, last, s.Run("resets"), s.Run("JSON.stringify(states)"))
		}
		return at >= last
	})
}

// numbers publishes to ann.
func numbers(t *testing.T, node *stage.Node, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := node.Publish(t.Context(), "user=ann&type=note", fmt.Sprintf(`{"n":%d}`, n)); err != nil {
			t.Fatal(err)
		}
	}
}

// connections asks the node how many connections a user has.
func connections(t *testing.T, node *stage.Node, user string) int {
	t.Helper()
	_, text := asked(t, http.MethodGet, node.AdminURL()+"/_weft/v1/users/"+user, "")
	var answer struct{ Connections []json.RawMessage }
	_ = json.Unmarshal([]byte(text), &answer)
	return len(answer.Connections)
}

// leading is which of some tabs has the connection.
func leading(t *testing.T, tabs []sharer) int {
	t.Helper()
	leads := -1
	var states string
	limit := time.Now().Add(time.Minute)
	waitfor.Within(t, 2*time.Minute, "one of the tabs leads", func() bool {
		if states = ""; time.Now().After(limit) {
			for _, s := range tabs {
				states += s.Run("JSON.stringify(states)") + "\n"
			}
			t.Fatalf("none of the tabs leads: %s", states)
		}
		for i, s := range tabs {
			if is := s.state(); is.State == "open" && !is.Shared {
				leads = i
				return true
			}
		}
		return false
	})
	return leads
}

// publishing publishes numbers to a user until the test says that it is enough, which returns
// the last one, or is over.
func publishing(t *testing.T, node *stage.Node, user string) (enough func() int) {
	t.Helper()
	stop, over := make(chan struct{}), make(chan struct{})
	n := 0
	go func() {
		defer close(over)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if err := node.Publish(context.Background(), "type=note&user="+user, fmt.Sprintf(`{"n":%d}`, n+1)); err != nil {
				t.Error(err)
				return
			}
			n++
		}
	}()
	enough = sync.OnceValue(func() int {
		close(stop)
		<-over
		return n
	})
	t.Cleanup(func() { enough() })
	return enough
}
