package clientchaos

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"weft/config/testkit/waitfor"
)

// catchUp bounds how long pages may take to be open and to have all that was published.
const catchUp = 90 * time.Second

// A Round is one fault and what it did to the pages.
type Round struct {
	Fault string
	Took  time.Duration // from the fault until all pages had everything
	// Published counts events.
	Published int
	// Verdicts are those of the pages, in their order.
	Verdicts []Verdict
}

// Play does one fault while the load runs, waits until all is well again and counts.
func (w *World) Play(ctx context.Context, f Fault) (*Round, error) {
	r := &Round{Fault: f.Name}
	w.Cuts, w.Resets = nil, nil
	before := maps.Clone(w.told)
	w.Log("%s: begins", f.Name)
	began := time.Now()
	if err := f.Apply(ctx, w); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	w.Log("%s: undone", f.Name)
	if err := w.awaitReady(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if len(w.Resets) > 0 {
		if err := w.await(ctx, w.Pages, told); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	for _, subject := range w.Resets {
		if _, err := w.Load.next(ctx, subject, 1); err != nil { // what comes after a reset comes to everybody
			return nil, err
		}
	}
	w.told = w.Load.Hold()
	defer w.Load.Resume()
	missing, err := w.awaitPages(ctx, w.told)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	r.Took = time.Since(began)
	d := due{resets: w.Resets, began: began, ended: time.Now(), cuts: w.Cuts, late: f.Nodes, accepted: w.Load.Accepted()}
	for _, p := range w.Pages {
		d.numbers = p.due(before, w.told)
		v := judge(p.Setting, p.state, p.log, d)
		v.Page = p
		if why := missing[p]; why != "" {
			v.fault("after %v: %s", catchUp, why)
		}
		r.Verdicts = append(r.Verdicts, v)
		w.tell(p, v)
		p.state, p.log = p.shown(), nil
	}
	for subject, n := range w.told {
		r.Published += n - before[subject]
	}
	w.Log("%s: %d events, after %v all pages have them", f.Name, r.Published, r.Took.Round(time.Millisecond))
	return r, nil
}

// told says whether a page has been told of a reset.
func told(p *Page) (missing string) {
	if !slices.ContainsFunc(p.log, func(e Entry) bool { return e.What == "reset" }) {
		return "it has been told of no reset"
	}
	return ""
}

// due are the first and the last number of what a page should have seen since before, by
// subject. Of one of which it has seen nothing since it was opened the first is what it saw
// first.
func (p *Page) due(before, now map[string]int) map[string][2]int {
	numbers := map[string][2]int{}
	for subject, n := range now {
		if !p.follows(subject) {
			continue
		}
		numbers[subject] = [2]int{before[subject] + 1, n}
		if !p.fresh[subject] {
			continue
		}
		first := slices.IndexFunc(p.log, func(e Entry) bool { return e.Subject == subject || slices.Contains(e.Subjects, subject) })
		switch {
		case first < 0:
			delete(numbers, subject)
			continue
		case p.log[first].What == "event":
			numbers[subject] = [2]int{p.log[first].N, n}
		}
		delete(p.fresh, subject)
	}
	return numbers
}

// tell logs what a page saw, if anything was wrong.
func (w *World) tell(p *Page, v Verdict) {
	if len(v.Faults) == 0 {
		return
	}
	w.Log("the log of %s, without events:", p.Name)
	w.Log("  before: %s %s", p.state.State, p.state.Text)
	for _, e := range p.log {
		switch e.What {
		case "state":
			w.Log("  %s %s %s %s retry at %s", clock(e.time()), e.State, e.Transport, e.Text, clock(time.UnixMilli(int64(e.RetryAt))))
		case "reset":
			w.Log("  %s reset %v %s", clock(e.time()), e.Subjects, e.Text)
		case "standstill":
			w.Log("  %s stood still for %d ms", clock(e.time()), e.MS)
		case "page", "error":
			w.Log("  %s %s", clock(e.time()), e.Text)
		}
	}
}

// awaitPages waits until all pages are open and have all events, and says of those that
// are not what is missing.
func (w *World) awaitPages(ctx context.Context, last map[string]int) (map[*Page]string, error) {
	end, slow := time.Now().Add(catchUp), time.Now().Add(10*time.Second)
	for {
		missing := map[*Page]string{}
		for _, p := range w.Pages {
			if err := p.pull(); err != nil {
				return nil, err
			}
			why := p.has(last)
			if s := p.shown(); why == "" && s.State != "open" {
				why = fmt.Sprintf("it is %s: %s", s.State, s.Text)
			}
			if why != "" {
				missing[p] = why
			}
		}
		if len(missing) == 0 || time.Now().After(end) {
			return missing, nil
		}
		if time.Now().After(slow) {
			for p, why := range missing {
				w.Log("%s takes long, and is %s: %s", p.Name, p.shown().State, why)
			}
			slow = end
		}
		if err := waitfor.Time(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}
