package check

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weft/edge/auth"
	"weft/edge/problem"
)

func TestWhoFindsNoTurnInTimeIsRefused(t *testing.T) {
	d := open(t, func(c *auth.CheckConfig) { c.MaxInFlight, c.Timeout = 1, 100*time.Millisecond })
	over, err := d.turns.take(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	defer over()
	ann := d.identity("ann", nil)
	d.want("without a turn", d.MayFollow(t.Context(), ann, "topic.yes"), problem.NotReady)
	d.wantAsked("without a turn", 0)
	if until, open := d.circuit.open(d.now()); open {
		t.Errorf("the circuit is open for %v, and the back end did nothing", until)
	}
}

func TestABackEndThatDoesNotAnswerIsLeftAloneAndFoundAgain(t *testing.T) {
	d := open(t, func(c *auth.CheckConfig) { c.Timeout = 100 * time.Millisecond })
	d.hold = make(chan struct{})
	ann := d.identity("ann", nil)
	for i := range maxSilent {
		d.want("no answer in time", d.MayFollow(t.Context(), ann, fmt.Sprintf("topic.%d.yes", i)), problem.NotReady)
	}
	began := time.Now()
	for i := range 1000 {
		d.want("left alone", d.MayFollow(t.Context(), ann, fmt.Sprintf("topic.%d.yes", i)), problem.NotReady)
	}
	if took := time.Since(began); took > 50*time.Millisecond*1000 {
		t.Errorf("a thousand waited %v for nothing", took)
	}
	d.wantAsked("while it is left alone", maxSilent)
	d.pass(firstPause)
	d.want("a trial", d.MayFollow(t.Context(), ann, "topic.trial.yes"), problem.NotReady)
	d.want("after a trial in vain", d.MayFollow(t.Context(), ann, "topic.yes"), problem.NotReady)
	d.pass(firstPause)
	d.want("the pause is twice as long then", d.MayFollow(t.Context(), ann, "topic.yes"), problem.NotReady)
	d.wantAsked("one trial", maxSilent+1)
	close(d.hold)
	d.pass(firstPause)
	d.want("when it is back", d.MayFollow(t.Context(), ann, "topic.yes"), "")
	d.want("and then", d.MayFollow(t.Context(), ann, "topic.no"), problem.Forbidden)
	for _, line := range []string{"does not answer; what", "answers again"} {
		if strings.Count(d.logged.String(), line) != 1 {
			t.Errorf("the log has not one line with %q: %s", line, &d.logged)
		}
	}
}

func TestOfThoseThatComeWhenThePauseIsOverOneTries(t *testing.T) {
	c, now := circuit{}, time.Now()
	for range maxSilent {
		if !c.enter(now) {
			t.Fatal("it is open too soon")
		}
		c.heard(false, now)
	}
	if c.enter(now.Add(firstPause - 1)) {
		t.Error("it is asked within the pause")
	}
	now = now.Add(firstPause)
	if !c.enter(now) || c.enter(now) {
		t.Error("not just one tries")
	}
	for pause := 2 * firstPause; ; pause *= 2 {
		c.heard(false, now)
		wait, open := c.open(now)
		if !open || wait != min(pause, lastPause) {
			t.Fatalf("it is left alone for %v, want %v", wait, min(pause, lastPause))
		}
		if wait == lastPause {
			break
		}
		if now = now.Add(wait); !c.enter(now) {
			t.Fatal("nobody tries")
		}
	}
	if _, closed := c.heard(true, now); !closed || !c.enter(now) || !c.enter(now) {
		t.Error("it is not closed by an answer")
	}
}

func TestAStatusForOneSubjectClosesTheDoorForNobodyElse(t *testing.T) {
	d := open(t, nil)
	d.says(func(q question) int {
		if q.User == "eve" {
			return 500
		}
		return 200
	})
	eve, ann := d.identity("eve", nil), d.identity("ann", nil)
	for i := range 3 * maxSilent {
		d.want("eve", d.MayFollow(t.Context(), eve, fmt.Sprintf("topic.%d", i)), problem.NotReady)
	}
	d.want("ann", d.MayFollow(t.Context(), ann, "topic.a"), "")
}
