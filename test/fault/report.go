package fault

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"weft/test/follow"
)

// A Report sums up rounds by fault.
type Report struct {
	// NotRun are faults that could not be done for want of a private network.
	NotRun []string

	names  []string
	rounds map[string][]*Round
}

// Enter adds a round.
func (r *Report) Enter(round *Round) {
	if r.rounds == nil {
		r.rounds = map[string][]*Round{}
	}
	if r.rounds[round.Fault] == nil {
		r.names = append(r.names, round.Fault)
	}
	r.rounds[round.Fault] = append(r.rounds[round.Fault], round)
}

// String is the table: one line for each fault, in the order of their first round.
// Silence is the longest gap of a round on connections that live through it, of all
// sources; back is the longest time that a device that lost its connection was without.
func (r *Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "fault\ttimes\tevents\tdelivered\tlost\tdoubled\treordered\tresets\tfalse\tsilence p50\tp95\tmax\tKafka max\tback max\tready p50\tmax\t")
	for _, name := range r.names {
		rounds := r.rounds[name]
		var t follow.Tally
		accepted := 0
		for _, x := range rounds {
			t.Add(x.Tally)
			accepted += x.Accepted
		}
		silence := sorted(rounds, func(x *Round) time.Duration { return x.Silence })
		kafka := sorted(rounds, func(x *Round) time.Duration { return x.KafkaSilence })
		back := sorted(rounds, func(x *Round) time.Duration { return x.Absence })
		ready := sorted(rounds, func(x *Round) time.Duration { return x.Took })
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", name, len(rounds), accepted, t.Delivered,
			t.Lost, t.Doubled, t.Reordered, t.Resets, t.FalseResets,
			seconds(silence, 0.5), seconds(silence, 0.95), seconds(silence, 1), seconds(kafka, 1), seconds(back, 1),
			seconds(ready, 0.5), seconds(ready, 1))
	}
	w.Flush()
	if len(r.NotRun) > 0 {
		fmt.Fprintf(&b, "NOT RUN, because there is no private network: %s\n", strings.Join(r.NotRun, ", "))
	}
	return b.String()
}

func sorted(rounds []*Round, of func(*Round) time.Duration) []time.Duration {
	all := make([]time.Duration, len(rounds))
	for i, r := range rounds {
		all[i] = of(r)
	}
	slices.Sort(all)
	return all
}

// seconds is the quantile q of what is sorted: the smallest value that at least that
// share does not exceed.
func seconds(of []time.Duration, q float64) string {
	i := max(0, int(float64(len(of))*q+0.999999)-1)
	return fmt.Sprintf("%.2fs", of[i].Seconds())
}
