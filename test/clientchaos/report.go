package clientchaos

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// A Report sums up rounds, by fault and by setting.
type Report struct {
	// Title says what was run.
	Title string
	// Published counts events.
	Published int

	faults, settings table
}

// A table is some rows in the order in which they were begun.
type table struct {
	names []string
	rows  map[string]*row
}

type row struct {
	times int
	Verdict
}

func (t *table) at(name string) *row {
	if t.rows == nil {
		t.rows = map[string]*row{}
	}
	if t.rows[name] == nil {
		t.names = append(t.names, name)
		t.rows[name] = &row{}
	}
	return t.rows[name]
}

// Enter adds a round.
func (r *Report) Enter(round *Round) {
	r.Published += round.Published
	r.faults.at(round.Fault).times++
	for _, v := range round.Verdicts {
		r.faults.at(round.Fault).add(v)
		r.settings.at(v.Page.Setting.String()).add(v)
	}
}

func (r *row) add(v Verdict) {
	r.Tally.Add(v.Tally)
	r.Lies += v.Lies
	r.Away = max(r.Away, v.Away)
	r.Late = max(r.Late, v.Late)
}

var head = []string{"delivered", "lost", "doubled", "reordered", "resets due", "false", "untrue", "not open max", "late max"}

func (r *row) cells() []string {
	cells := []string{}
	for _, n := range []int{r.Delivered, r.Lost, r.Doubled, r.Reordered, r.Resets - r.FalseResets, r.FalseResets, r.Lies} {
		cells = append(cells, fmt.Sprint(n))
	}
	return append(cells, seconds(r.Away), seconds(r.Late))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

func (r *Report) tables() [2][][]string {
	faults := [][]string{append([]string{"fault", "times"}, head...)}
	for _, name := range r.faults.names {
		x := r.faults.rows[name]
		faults = append(faults, append([]string{name, fmt.Sprint(x.times)}, x.cells()...))
	}
	settings := [][]string{append([]string{"page"}, head...)}
	for _, name := range r.settings.names {
		settings = append(settings, append([]string{name}, r.settings.rows[name].cells()...))
	}
	return [2][][]string{faults, settings}
}

// String is both tables for a terminal.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d events\n", r.Title, r.Published)
	for _, t := range r.tables() {
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, cells := range t {
			fmt.Fprintln(w, strings.Join(cells, "\t")+"\t")
		}
		w.Flush()
	}
	return b.String()
}

// Markdown is both tables for the documentation.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d events.\n", r.Title, r.Published)
	for _, t := range r.tables() {
		b.WriteString("\n")
		for i, cells := range t {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
			if i == 0 {
				fmt.Fprintf(&b, "|%s\n", strings.Repeat(" --- |", len(cells)))
			}
		}
	}
	return b.String()
}
