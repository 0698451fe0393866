package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/standstill"
	"weft/test/stage"
)

// Many sessions that are revoked in a burst, at whichever node, lose their running requests
// on whichever other within a second each; nobody else does.
func aBurstOfRevocationsEndsTheRequestsOfEach(t *testing.T, nodes []*stage.Node) {
	many := int(sized(t, "WEFT_BURST_SESSIONS", 1500))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	back := startHolding(t)
	stage.PutRoute(t, nodes[0], "held", stage.Route{"pattern": "/held/{rest...}", "target": back.URL()}, nodes...)
	ended := make([]time.Time, many)
	var running, kept sync.WaitGroup
	leave, left := context.WithCancel(ctx)
	defer left()
	hold := func(ctx context.Context, i int, session string) (status int, body string) {
		r, _ := http.NewRequestWithContext(ctx, "GET", nodes[i%3].URL()+"/held/wait", nil)
		r.Header.Set("Authorization", "Bearer "+stage.Token(t, fmt.Sprint("u", i%100), stage.Claims{"jti": session}))
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	const others = 30
	for i := range others {
		kept.Go(func() {
			if status, body := hold(leave, i, fmt.Sprint("kept", i)); ctx.Err() == nil && leave.Err() == nil {
				t.Errorf("a session that was not revoked ended: %d %s", status, body)
			}
		})
	}
	for i := range many {
		running.Go(func() {
			status, body := hold(ctx, i, fmt.Sprint("s", i))
			if ended[i] = time.Now(); status != 403 || !strings.Contains(body, "token_revoked") {
				t.Errorf("session %d ended: %d %s", i, status, body)
			}
		})
	}
	eventually(t, 2*time.Minute, "all are held", func() bool { return len(back.Received()) == many+others })
	told := make([]time.Time, many)
	turns := make(chan int)
	var telling sync.WaitGroup
	for range 32 {
		telling.Go(func() {
			for i := range turns {
				got, err := tryRoute(ctx, http.MethodPut, fmt.Sprint(nodes[(i+1)%3].AdminURL(), "/_weft/v1/blacklist/s", i), "")
				if err != nil || got.Status/100 != 2 {
					t.Errorf("revoke: %d %s, %v", got.Status, got.Body, err)
				}
				told[i] = time.Now()
			}
		})
	}
	begun := time.Now()
	for i := range many {
		turns <- i
	}
	close(turns)
	telling.Wait()
	all := time.Since(begun)
	running.Wait()
	took := make([]time.Duration, many)
	for i := range many {
		took[i] = ended[i].Sub(told[i])
	}
	slices.Sort(took)
	t.Logf("%d were revoked in %v; their requests ended after %v, p99 %v, at most %v", many, all, took[many/2], took[many*99/100], took[many-1])
	if took[many-1] > time.Second {
		t.Errorf("a request ended %v after its session was revoked", took[many-1])
	}
	left()
	kept.Wait()
	for _, n := range nodes {
		eventually(t, 20*time.Second, "nothing is running", func() bool { return runningHTTP(t, n) == 0 })
	}
}

func revocationEndsRunningRequestsOnAllNodes(t *testing.T, nodes []*stage.Node) {
	back := startHolding(t)
	stage.PutRoute(t, nodes[0], "held", stage.Route{"pattern": "/held/{rest...}", "target": back.URL()}, nodes...)
	for i, way := range []string{"lost", "user.bob"} {
		var cut, kept []*held
		for _, n := range nodes {
			user, session := []string{"ann", "bob"}[i], []string{"lost", "bobs"}[i] // what was lost may be so on another node yet
			cut = append(cut, holdAll(t, n, back, "/held", stage.Token(t, user, stage.Claims{"jti": session}), allKinds...)...)
			kept = append(kept, holdAll(t, n, back, "/held", stage.Token(t, "ann", stage.Claims{"jti": "kept" + way}), "socket", "stream")...)
		}
		begun, still := time.Now(), standstill.Begin(t)
		if status, body := admin(t, nodes[i], http.MethodPut, "/_weft/v1/blacklist/"+way, ""); status/100 != 2 {
			t.Fatalf("revoke %s: %d %s", way, status, body)
		}
		expectEnd(t, cut, begun, time.Second, still, "403 token_revoked")
		for _, h := range kept {
			select {
			case how := <-h.done:
				t.Errorf("%s of another token ended: %s", h.kind, how)
			default:
			}
		}
		if status, _ := admin(t, nodes[0], http.MethodDelete, "/_weft/v1/blacklist/"+way, ""); status/100 != 2 {
			t.Errorf("unrevoke: %d", status)
		}
	}
}
