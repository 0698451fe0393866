package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"weft/test/follow"
)

// A Report sums up rounds by fault.
type Report struct {
	// Title says what was run, beside what.
	Title string
	// NotRun are faults that could not be done for want of a private network.
	NotRun []string

	names  []string
	rounds map[string][]*Round
	odd    []string // with the place of the logs, if they were kept
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

// Calm is the time without a fault, and what was elected in it.
func (r *Report) Calm() Calm {
	calm := Calm{Elected: Elections{}}
	for _, rounds := range r.rounds {
		for _, x := range rounds {
			calm.add(x.Calm)
		}
	}
	return calm
}

// rows are the table with its head: one row for each fault, in the order of their first
// round. Silence is the longest gap of a round on connections that live through it, of
// all sources; back is the longest time that a device that lost its connection was
// without. Elections are those of all groups.
func (r *Report) rows() [][]string {
	rows := [][]string{{"fault", "times", "events", "delivered", "lost", "doubled", "reordered", "resets", "false", "silence p50", "p95", "max",
		"Kafka p50", "p95", "max", "back max", "ready p50", "max", "elections p50", "max"}}
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
		elected := sorted(rounds, func(x *Round) int { return x.Elected.sum() })
		row := []string{name}
		for _, n := range []int{len(rounds), accepted, t.Delivered, t.Lost, t.Doubled, t.Reordered, t.Resets, t.FalseResets} {
			row = append(row, fmt.Sprint(n))
		}
		rows = append(rows, append(row, seconds(silence, 0.5), seconds(silence, 0.95), seconds(silence, 1),
			seconds(kafka, 0.5), seconds(kafka, 0.95), seconds(kafka, 1), seconds(back, 1), seconds(ready, 0.5), seconds(ready, 1),
			fmt.Sprint(quantile(elected, 0.5)), fmt.Sprint(quantile(elected, 1))))
	}
	return rows
}

// String is the table, and what was elected without a fault.
func (r *Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range r.rows() {
		fmt.Fprintln(w, strings.Join(row, "\t")+"\t")
	}
	w.Flush()
	fmt.Fprintln(&b, r.calm())
	if len(r.NotRun) > 0 {
		fmt.Fprintf(&b, "not run, for want of a private network: %s\n", strings.Join(r.NotRun, ", "))
	}
	return b.String()
}

func (r *Report) calm() string {
	calm := r.Calm()
	return fmt.Sprintf("without a fault: %v, elections: %v, at most %d", calm.For.Round(time.Second), calm.Elected, mostElections(calm.For))
}

// Markdown is the table for the documentation, with all that was odd.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.Title)
	for i, row := range r.rows() {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|%s\n", strings.Repeat(" --- |", len(row)))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.calm())
	for _, name := range r.NotRun {
		fmt.Fprintf(&b, "\nNot run, for want of a private network: %s\n", name)
	}
	fmt.Fprintf(&b, "\nOut of the ordinary: %d\n", len(r.odd))
	for _, odd := range r.odd {
		fmt.Fprintf(&b, "\n- %s\n", strings.ReplaceAll(odd, "\n", "\n  "))
	}
	return b.String()
}

func sorted[T int | time.Duration](rounds []*Round, of func(*Round) T) []T {
	all := make([]T, len(rounds))
	for i, r := range rounds {
		all[i] = of(r)
	}
	slices.Sort(all)
	return all
}

// quantile is the quantile q of what is sorted: the smallest value that at least that
// share does not exceed.
func quantile[T any](of []T, q float64) T { return of[max(0, int(float64(len(of))*q+0.999999)-1)] }

func seconds(of []time.Duration, q float64) string {
	return fmt.Sprintf("%.2fs", quantile(of, q).Seconds())
}

// An archive is the folder of a report, for a long run: it holds the report as it stands
// after each round, and for each round that was out of the ordinary what the nodes logged
// meanwhile. Without a folder it keeps nothing.
type archive struct {
	folder string
	rounds int
}

// openArchive makes the folder that WEFT_FAULT_REPORT names.
func openArchive() (*archive, error) {
	a := &archive{folder: os.Getenv("WEFT_FAULT_REPORT")}
	if a.folder == "" {
		return a, nil
	}
	return a, os.MkdirAll(a.folder, 0o755)
}

// keep writes the report and the logs of the last round, if there was anything odd in it.
func (a *archive) keep(c *Cluster, report *Report, last *Round) error {
	a.rounds++
	if a.folder == "" {
		return nil
	}
	var errs []error
	if odd := append(last.Odd, last.Faults...); len(odd) > 0 {
		name := fmt.Sprintf("%03d-%s", a.rounds, strings.ReplaceAll(last.Fault, " ", "-"))
		errs = append(errs, c.keepLogs(filepath.Join(a.folder, name), last.Began))
		report.odd = append(report.odd, fmt.Sprintf("%s, %s from %s on, elections: %v, logs in %s:\n%s",
			last.Fault, last.Took.Round(time.Millisecond), clock(last.Began), last.Elected, name, strings.Join(odd, "\n")))
	}
	return errors.Join(append(errs, os.WriteFile(filepath.Join(a.folder, "report.md"), []byte(report.Markdown()), 0o644))...)
}

// keepLogs writes what each node logged since a moment, and a little before.
func (c *Cluster) keepLogs(folder string, since time.Time) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var errs []error
	for i, n := range c.Nodes {
		lines := logSince(n.Output(), since.Add(-5*time.Second))
		errs = append(errs, os.WriteFile(filepath.Join(folder, fmt.Sprintf("n%d.log", i+1)), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	}
	return errors.Join(errs...)
}

// logSince are the lines of a log from a moment on. A line without a time, such as those
// of a panic, is of the time of the line before.
func logSince(lines []string, since time.Time) (found []string) {
	after := false
	for _, line := range lines {
		var said struct {
			Time time.Time `json:"time"`
		}
		if json.Unmarshal([]byte(line), &said) == nil && !said.Time.IsZero() {
			after = !said.Time.Before(since)
		}
		if after {
			found = append(found, line)
		}
	}
	return found
}
