package reply_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/proxy/reply"
	"weft/edge/route"
)

// answerOf is one that can be told from others.
func answerOf(text string) *route.Answer { return &route.Answer{Status: 200, Body: []byte(text)} }

func TestACorrelationIsOneURLSafeStringOfThisProcess(t *testing.T) {
	w := reply.New(prometheus.NewRegistry())
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{8}\.[A-Za-z0-9_-]{22}$`)
	seen := map[string]bool{}
	for range 1000 {
		c, _, forget := w.Expect()
		forget()
		if !form.MatchString(c) || seen[c] || !w.Mine(c) {
			t.Fatalf("%q, seen %v", c, seen[c])
		}
		seen[c] = true
	}
	c, _, _ := w.Expect()
	if reply.New(prometheus.NewRegistry()).Mine(c) {
		t.Error("it is of another process, too")
	}
	instance, _, _ := strings.Cut(c, ".")
	for _, not := range []string{"", ".", instance, instance + ".", instance + ".x", c + "x", c + ".x", " " + c, strings.ReplaceAll(c, ".", "_"), instance + "." + strings.Repeat("*", 22)} {
		if w.Mine(not) {
			t.Errorf("%q is mine", not)
		}
	}
}

func TestTheFirstAnswerWinsAndTheOthersAreToldApart(t *testing.T) {
	reg := prometheus.NewRegistry()
	w, other := reply.New(reg), reply.New(prometheus.NewRegistry())
	c, answer, forget := w.Expect()
	foreign, _, _ := other.Expect()
	bad, badAnswer, _ := w.Expect()
	late, _, forgetLate := w.Expect()
	forgetLate()
	forgetLate()
	instance, _, _ := strings.Cut(c, ".")
	for _, step := range []struct {
		correlation string
		err         error
		want        reply.Outcome
	}{
		{c, nil, reply.Delivered}, {c, nil, reply.Duplicate}, {c, route.ErrStatus, reply.Duplicate}, {foreign, nil, reply.Foreign}, {late, nil, reply.Late},
		{bad, route.ErrStatus, reply.Bad}, {bad, nil, reply.Duplicate}, {"", nil, reply.Foreign}, {instance + "." + strings.Repeat("A", 22), nil, reply.Late},
	} {
		if got := w.Deliver(step.correlation, answerOf("first"), step.err); got != step.want {
			t.Errorf("%q: %s, want %s", step.correlation, got, step.want)
		}
	}
	if a := <-answer; string(a.Body) != "first" || a.Err != nil {
		t.Errorf("%+v", a)
	}
	forget()
	if got := w.Deliver(c, answerOf("third"), nil); got != reply.Duplicate {
		t.Errorf("after the request: %s", got)
	}
	if a := <-badAnswer; !errors.Is(a.Err, route.ErrStatus) {
		t.Errorf("%+v", a)
	}
	if w.Len() != 0 {
		t.Errorf("%d places are left", w.Len())
	}
	for outcome, n := range map[reply.Outcome]float64{reply.Delivered: 1, reply.Duplicate: 4, reply.Bad: 1, reply.Late: 2, reply.Foreign: 2} {
		if got := counted(t, reg, outcome); got != n {
			t.Errorf("%v %s were counted, want %v", got, outcome, n)
		}
	}
}

// counted is weft_route_replies_total of an outcome, and of "" how many wait.
func counted(t *testing.T, reg *prometheus.Registry, outcome reply.Outcome) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch {
			case outcome == "" && f.GetName() == "weft_route_replies_waiting":
				return m.GetGauge().GetValue()
			case f.GetName() == "weft_route_replies_total" && m.GetLabel()[0].GetValue() == string(outcome):
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("%q is not counted", outcome)
	return 0
}

func TestWhatWasAnsweredIsRememberedBoundedly(t *testing.T) {
	w := reply.New(prometheus.NewRegistry())
	first, _, _ := w.Expect()
	w.Deliver(first, answerOf(""), nil)
	for range 1 << 15 {
		c, _, _ := w.Expect()
		w.Deliver(c, answerOf(""), nil)
	}
	if got := w.Deliver(first, nil, nil); got != reply.Duplicate {
		t.Errorf("after 32,768 others it is %s", got)
	}
	for range 1 << 15 {
		c, _, _ := w.Expect()
		w.Deliver(c, answerOf(""), nil)
	}
	if got := w.Deliver(first, nil, nil); got != reply.Late {
		t.Errorf("after 65,536 others it is %s", got)
	}
	if w.Len() != 0 {
		t.Errorf("%d places are left", w.Len())
	}
}

func TestConcurrentAnswersReachWhomTheyAreForAndNobodyTwice(t *testing.T) {
	w := reply.New(prometheus.NewRegistry())
	var delivered, duplicate atomic.Int32
	var all sync.WaitGroup
	for i := range 500 {
		c, answer, forget := w.Expect()
		for range 3 {
			all.Go(func() {
				switch w.Deliver(c, answerOf(fmt.Sprint(i)), nil) {
				case reply.Delivered:
					delivered.Add(1)
				case reply.Duplicate:
					duplicate.Add(1)
				}
			})
		}
		all.Go(func() {
			defer forget()
			if a := <-answer; string(a.Body) != fmt.Sprint(i) {
				t.Errorf("%d was answered %s", i, a.Body)
			}
		})
	}
	all.Wait()
	if delivered.Load() != 500 || duplicate.Load() != 1000 || w.Len() != 0 {
		t.Errorf("%d delivered, %d duplicates, %d places left", delivered.Load(), duplicate.Load(), w.Len())
	}
}

func TestWaitingRequestsAreSeen(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := reply.New(reg)
	_, _, forget := w.Expect()
	if n := counted(t, reg, ""); n != 1 {
		t.Errorf("%v wait", n)
	}
	forget()
	if n := counted(t, reg, ""); n != 0 {
		t.Errorf("%v wait after all", n)
	}
}
