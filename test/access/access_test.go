package access

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"weft/test/stage"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stage.RemoveBinary()
	os.Exit(code)
}

// number is that of a variable, or what it is without.
func number[N any](t *testing.T, name string, parse func(string) (N, error), without N) N {
	text := os.Getenv(name)
	if text == "" {
		return without
	}
	n, err := parse(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// backEnd starts what is asked where no template allows a subject.
func backEnd(t *testing.T) (address string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			User, Action, Subject string
			Claims                map[string]any
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.Claims["sub"] != q.User {
			t.Errorf("the back end was asked %+v, %v", q, err)
		}
		if !decides(q.User, q.Action, q.Subject) {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestNobodyReceivesWhatTheModelDeniesAndAllReceiveWhatItAllows(t *testing.T) {
	seed := number(t, "WEFT_ACCESS_SEED", func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }, uint64(time.Now().UnixNano()))
	last := number(t, "WEFT_ACCESS", time.ParseDuration, 20*time.Second)
	t.Logf("WEFT_ACCESS_SEED=%d WEFT_ACCESS=%v", seed, last)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	w := &world{
		t: t, rnd: rand.New(rand.NewPCG(seed, 0)), nodes: stage.StartCluster(t, ctx, rules.settings(backEnd(t))),
		base: time.Now().Add(-20 * time.Hour).Truncate(time.Second), did: map[string]int{},
		revoked: blacklist{map[string]bool{}, map[string]time.Time{}},
		events:  map[int]*event{}, pending: map[*conn]int{}, changed: make(chan struct{}),
	}
	for _, n := range w.nodes {
		w.nats = append(w.nats, n.NATS())
	}
	defer func() {
		for _, c := range w.conns {
			if c.open {
				c.hangUp()
			}
		}
	}()
	moves := []struct {
		weight int
		do     func()
	}{
		{20, w.connect}, {35, w.change}, {8, w.comeBack}, {5, w.revoke}, {10, w.speak}, {6, w.me}, {10, w.ask},
		{3, func() { w.drop0(pick(w, w.conns)) }}, {1, w.fade},
	}
	total := 0
	for _, m := range moves {
		total += m.weight
	}
	for end := time.Now().Add(last); time.Now().Before(end); {
		n := w.rnd.IntN(total)
		for _, m := range moves {
			if n -= m.weight; n < 0 {
				if len(w.conns) == 0 {
					w.connect()
				} else {
					m.do()
				}
				break
			}
		}
		w.round()
	}
	t.Logf("%d steps %v; %d events were published and %d received", w.steps, w.did, w.sent, w.received)
	for _, kind := range []string{"connect", "change", "resume", "revoke", "speak", "me", "ask", "past"} {
		if last >= 20*time.Second && w.did[kind] == 0 {
			t.Errorf("in %v there was no %s", last, kind)
		}
	}
}
