package clientchaos

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"weft/test/follow"
)

// How long a page may show what is not so any more: when it has heard nothing for 2.5
// keep-alives it must not say that it is open, and a timer may be late.
const (
	silence = keepalive*5/2 + lateness
	// pollSilence is that of a page that polls: an answer may take the wait.
	pollSilence = 25*time.Second + lateness
	lateness    = 1500 * time.Millisecond
	// catchingUp is that of a tab that shares: so long it asks by polls of its own, and is open.
	catchingUp = silence + 5*time.Second
	// settling is how long what had come already may be handed on when it is not open any
	// more.
	settling = 250 * time.Millisecond
)

// A Verdict is what one page did in one round.
type Verdict struct {
	Page *Page
	follow.Tally
	// Away is the longest time in which the page was not open.
	Away time.Duration
	// Late is the longest time that an event took to a page that said that it was open.
	Late time.Duration
	// Lies counts what the page was told that was not so.
	Lies int
	// Faults say what must not have happened.
	Faults []string
}

// due says which numbers of which subjects a page must have been told in a round, and of
// which subjects it must have been told that there is a gap.
type due struct {
	numbers map[string][2]int // the first and the last
	resets  []string
	began   time.Time
	ended   time.Time
	cuts    []Cut
	// accepted tells when events of the busy subject were, by number; late says that it is
	// not the pages' fault when they come late.
	accepted map[int]time.Time
	late     bool
}

// judge goes through what a page was told in a round, state is what it showed before.
func judge(s Setting, state Entry, log []Entry, d due) Verdict {
	var v Verdict
	v.events(log, d)
	v.states(s, state, log, d)
	for _, e := range log {
		if e.What == "error" {
			v.fault("%s: an error in the page: %s", clock(e.time()), e.Text)
		}
	}
	return v
}

func (v *Verdict) fault(format string, args ...any) {
	if len(v.Faults) < 20 {
		v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
	}
}

func (v *Verdict) lie(format string, args ...any) {
	v.Lies++
	v.fault(format, args...)
}

// late judges how long an event took that came to a page which said that it was open.
func (v *Verdict) late(e, state Entry, limit time.Duration, log []Entry, d due) {
	at, known := d.accepted[e.N]
	accepted := at.UnixMilli()
	if e.Subject != busy || !known || state.State != "open" || state.At > accepted {
		return
	}
	late := time.Duration(e.At-accepted-stoodStill(log, accepted, e.At)) * time.Millisecond
	v.Late = max(v.Late, late)
	if late > limit && !d.late {
		v.lie("%s: open, and event %d came %v after it was accepted", clock(e.time()), e.N, late)
	}
}

// events counts, and says which resets were not due.
func (v *Verdict) events(log []Entry, d due) {
	seen := map[string][]follow.Entry{}
	resets := map[string]int{}
	for _, e := range log {
		switch e.What {
		case "event":
			seen[e.Subject] = append(seen[e.Subject], follow.Entry{N: e.N, At: e.time()})
		case "reset":
			for _, subject := range e.Subjects {
				seen[subject] = append(seen[subject], follow.Entry{N: follow.Reset, At: e.time()})
				resets[subject]++
			}
		}
	}
	for subject := range seen {
		if _, follows := d.numbers[subject]; !follows {
			v.fault("events or resets of %s, which it does not follow", subject)
		}
	}
	for subject, numbers := range d.numbers {
		var want []int
		for n := numbers[0]; n <= numbers[1]; n++ {
			want = append(want, n)
		}
		t := follow.Count(follow.Numbers(seen[subject]), want)
		v.Add(t)
		if !t.Faultless() {
			v.fault("%s: %d lost, %d doubled, %d reordered, %d false resets\n%s", subject, t.Lost, t.Doubled, t.Reordered, t.FalseResets,
				strings.Join(follow.Explain(seen[subject], want), "\n"))
		}
		want1 := 0
		if slices.Contains(d.resets, subject) {
			want1 = 1
		}
		if resets[subject] != want1 {
			v.fault("%s: %d resets, want %d", subject, resets[subject], want1)
		}
	}
}

// states says where what was shown was not so.
func (v *Verdict) states(s Setting, state Entry, log []Entry, d due) {
	for i, e := range log {
		switch e.What {
		case "event":
			v.late(e, state, silenceOf(s, state), log, d)
			if e.State != "open" && e.At-state.At > settling.Milliseconds() {
				v.lie("%s: event %d of %s came while the page was told %s", clock(e.time()), e.N, e.Subject, e.State)
			}
		case "shown":
			if e.State != state.State {
				v.lie("%s: the state is %s, and the page was told %s", clock(e.time()), e.State, state.State)
			}
		case "state":
			v.shown(state, max(state.At, d.began.UnixMilli()), e.At, silenceOf(s, state), log, d)
			v.promised(state, e, log)
			if e.State == "closed" {
				v.lie("%s: closed: %s", clock(e.time()), e.Text)
			}
			if past := e.At - int64(e.RetryAt); e.State == "waiting" && past-stoodStill(log, int64(e.RetryAt), e.At) > settling.Milliseconds() {
				v.lie("%s: waiting until %s, which is past", clock(e.time()), clock(time.UnixMilli(int64(e.RetryAt))))
			}
			state = log[i]
		}
	}
	v.shown(state, max(state.At, d.began.UnixMilli()), d.ended.UnixMilli(), silenceOf(s, state), log, d)
	if state.State != "open" {
		v.fault("in the end it is %s: %s", state.State, state.Text)
	}
	if s.Transport != "" && state.Transport != s.Transport && state.State == "open" {
		v.fault("it is open over %s", state.Transport)
	}
}

// silenceOf is how long a page may show this state though nothing comes to it.
func silenceOf(s Setting, state Entry) time.Duration {
	switch {
	case s.Transport == "poll" || state.Transport == "poll":
		return pollSilence
	case s.Shared:
		return catchingUp
	}
	return silence
}

// shown judges a time, in milliseconds, in which one state was shown.
func (v *Verdict) shown(state Entry, from, to int64, limit time.Duration, log []Entry, d due) {
	if state.State != "open" {
		v.Away = max(v.Away, time.Duration(to-from)*time.Millisecond)
		return
	}
	for _, c := range d.cuts {
		limit := limit
		if c.Told {
			limit = lateness
		}
		begin, end := c.From.Add(limit).UnixMilli(), c.To.UnixMilli()
		if c.Old {
			if state.At > c.From.UnixMilli() {
				continue // by a new connection
			}
			end = min(end, firstAfter(c.From, log, d))
		}
		begin += stoodStill(log, c.From.UnixMilli(), to)
		if lie := min(end, to) - max(begin, from); lie > 0 {
			v.lie("open from %s to %s, though nothing came through from %s to %s", clock(time.UnixMilli(from)), clock(time.UnixMilli(to)), clock(c.From), clock(c.To))
		}
	}
}

// firstAfter is when, in milliseconds, the first event came that was accepted after a time.
func firstAfter(from time.Time, log []Entry, d due) int64 {
	for _, e := range log {
		if e.What == "event" && e.Subject == busy && d.accepted[e.N].After(from.Add(settling)) {
			return e.At
		}
	}
	return math.MaxInt64
}

// promised says whether a page that waited until a time tried then.
func (v *Verdict) promised(before, next Entry, log []Entry) {
	if before.State != "waiting" || before.RetryAt == 0 {
		return
	}
	if late := next.At - int64(before.RetryAt) - stoodStill(log, before.At, next.At); late > lateness.Milliseconds() {
		v.lie("%s: %s, %d ms after it should have been tried", clock(next.time()), next.State, late)
	}
}

// stoodStill is for how long, in milliseconds, the page was not served by its browser.
func stoodStill(log []Entry, from, to int64) (sum int64) {
	for _, e := range log {
		if e.What == "standstill" {
			sum += max(0, min(to, e.At)-max(from, e.At-e.MS))
		}
	}
	return sum
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
