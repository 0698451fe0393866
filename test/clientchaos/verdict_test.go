package clientchaos

import (
	"strings"
	"testing"
	"time"
)

// began is when the round of these tests begins, in milliseconds.
const began = 1_000_000

func at(ms int64) time.Time { return time.UnixMilli(began + ms) }

func event(ms int64, n int) Entry {
	return Entry{At: began + ms, What: "event", State: "open", Subject: busy, N: n}
}

func state(ms int64, name string) Entry {
	return Entry{At: began + ms, What: "state", State: name, Transport: "sse", RetryAt: float64(began + ms + 1000)}
}

func reset(ms int64, subjects ...string) Entry {
	return Entry{At: began + ms, What: "reset", Subjects: subjects}
}

// Each thing that a page must not see or be told is a fault, and what it may is none.
func TestAVerdictFindsWhatMustNotBe(t *testing.T) {
	cut := []Cut{{From: at(1000), To: at(9000)}}
	old := []Cut{{From: at(1000), To: at(9000), Old: true}}
	told := []Cut{{From: at(1000), To: at(9000), Told: true}}
	for name, c := range map[string]struct {
		log    []Entry
		resets []string
		cuts   []Cut
		nodes  bool
		want   string // "" for no fault
	}{
		"all came": {log: []Entry{event(1, 1), event(2, 2), event(3, 3)}},
		"away and back": {cuts: cut, log: []Entry{event(1, 1), state(4000, "waiting"), state(5000, "connecting"), state(9500, "open"),
			event(9600, 2), event(9700, 3)}},
		"one is missing":           {log: []Entry{event(1, 1), event(3, 3)}, want: "1 lost"},
		"the last is missing":      {log: []Entry{event(1, 1), event(3, 2)}, want: "1 lost"},
		"one came twice":           {log: []Entry{event(1, 1), event(2, 2), event(3, 2), event(4, 3)}, want: "1 doubled"},
		"one came too late":        {log: []Entry{event(1, 1), event(2, 3), event(3, 2)}, want: "1 reordered"},
		"a reset that is due":      {log: []Entry{event(1, 1), reset(2, busy), event(3, 3)}, resets: []string{busy}},
		"it is told twice":         {log: []Entry{event(1, 1), reset(2, busy), reset(2, busy), event(3, 3)}, resets: []string{busy}, want: "2 resets, want 1"},
		"it is not told":           {log: []Entry{event(1, 1), event(2, 2), event(3, 3)}, resets: []string{busy}, want: "0 resets, want 1"},
		"a reset that is not due":  {log: []Entry{event(1, 1), reset(2, busy), event(2, 2), event(3, 3)}, want: "1 false reset"},
		"a reset hides a loss":     {log: []Entry{event(1, 1), reset(2, busy), event(3, 3)}, want: "1 resets, want 0"},
		"a reset of another":       {log: []Entry{event(1, 1), reset(2, quiet), event(2, 2), event(3, 3)}, want: "does not follow"},
		"open while cut off":       {cuts: cut, log: []Entry{event(1, 1), event(9100, 2), event(9200, 3)}, want: "nothing came through"},
		"open too long":            {cuts: cut, log: []Entry{event(1, 1), state(6000, "waiting"), state(6500, "connecting"), state(9100, "open"), event(9100, 2), event(9200, 3)}, want: "nothing came through"},
		"open though it was told":  {cuts: told, log: []Entry{event(1, 1), state(3000, "offline"), state(9100, "open"), event(9100, 2), event(9200, 3)}, want: "nothing came through"},
		"by a new connection":      {cuts: old, log: []Entry{event(1, 1), state(4000, "waiting"), state(5000, "connecting"), state(5500, "open"), event(5600, 2), event(9200, 3)}},
		"by none":                  {cuts: old, log: []Entry{event(1, 1), state(6000, "waiting"), state(6500, "open"), event(6600, 2), event(9200, 3)}, want: "nothing came through"},
		"it could not know":        {cuts: cut, log: []Entry{event(1, 1), {At: began + 8000, What: "standstill", MS: 7000}, state(8001, "waiting"), state(9100, "open"), event(9100, 2), event(9200, 3)}},
		"not open while one comes": {log: []Entry{event(1, 1), state(2, "waiting"), {At: began + 900, What: "event", State: "waiting", Subject: busy, N: 2}, state(901, "open"), event(902, 3)}, want: "while the page was told waiting"},
		"it had come already":      {log: []Entry{event(1, 1), state(2, "waiting"), {At: began + 3, What: "event", State: "waiting", Subject: busy, N: 2}, state(901, "open"), event(902, 3)}},
		"shown is not told":        {log: []Entry{event(1, 1), {At: began + 2, What: "shown", State: "offline"}, event(2, 2), event(3, 3)}, want: "the state is offline"},
		"closed":                   {log: []Entry{event(1, 1), event(2, 2), event(3, 3), state(4, "closed")}, want: "closed"},
		"not open in the end":      {log: []Entry{event(1, 1), event(2, 2), event(3, 3), state(4, "connecting")}, want: "in the end it is connecting"},
		"a try that is late":       {log: []Entry{event(1, 1), event(2, 2), state(3, "waiting"), state(5000, "connecting"), state(5001, "open"), event(5002, 3)}, want: "after it should have been tried"},
		"a try that is past":       {log: []Entry{event(1, 1), event(2, 2), {At: began + 1000, What: "state", State: "waiting", RetryAt: began + 500}, state(1001, "open"), event(1002, 3)}, want: "which is past"},
		"an event that is late":    {log: []Entry{event(1, 1), event(2, 2), event(9000, 3)}, want: "after it was accepted"},
		"a node is late":           {nodes: true, log: []Entry{event(1, 1), event(2, 2), event(9000, 3)}},
		"an error":                 {log: []Entry{event(1, 1), event(2, 2), event(3, 3), {At: began, What: "error", Text: "oops"}}, want: "oops"},
		"another transport":        {log: []Entry{event(1, 1), event(2, 2), event(3, 3), {At: began + 4, What: "state", State: "open", Transport: "poll"}}, want: "open over poll"},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(Setting{Transport: "sse"}, Entry{At: began - 1, What: "state", State: "open", Transport: "sse"}, c.log, due{
				numbers: map[string][2]int{busy: {1, 3}}, resets: c.resets, cuts: c.cuts, late: c.nodes, began: at(0), ended: at(10_000),
				accepted: map[int]time.Time{2: at(4500), 3: at(3)},
			})
			switch said := strings.Join(v.Faults, "\n"); {
			case c.want == "" && said != "":
				t.Errorf("it says %s", said)
			case !strings.Contains(said, c.want):
				t.Errorf("it says %q, and should say %q", said, c.want)
			}
		})
	}
}
