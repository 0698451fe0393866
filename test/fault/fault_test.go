package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

func TestMain(m *testing.M) {
	if os.Getenv(burning) != "" {
		burn()
	}
	os.Exit(stage.Private(m.Run, func(ctx context.Context) error {
		var err error
		if atLength() {
			_, err = stage.ClockedBinary()
		}
		return errors.Join(err, stage.FetchKafka(ctx))
	}))
}

// plan is what a run does: each fault as often as a plain test does it, or those
// that come up at random until the time is over.
type plan struct {
	faults []Fault
	notRun []string  // those that cannot be done here
	until  time.Time // zero: each fault Brief times
}

func planned(t *testing.T) plan {
	p := plan{faults: faults()}
	only := os.Getenv("WEFT_FAULT_ONLY")
	switch {
	case only != "":
		names := strings.Split(only, ",")
		p.faults = slices.DeleteFunc(p.faults, func(f Fault) bool { return !slices.Contains(names, f.Name) })
		if len(p.faults) != len(names) {
			t.Fatalf("WEFT_FAULT_ONLY=%s names a fault that there is not", only)
		}
	case !atLength():
		p.faults = slices.DeleteFunc(p.faults, func(f Fault) bool { return f.Long })
	}
	p.faults = slices.DeleteFunc(p.faults, func(f Fault) bool {
		impossible := f.Network && !stage.HasNetwork()
		if impossible {
			t.Logf("WARNING: not run: %s: no private network", f.Name)
			p.notRun = append(p.notRun, f.Name)
		}
		return impossible
	})
	if s := os.Getenv("WEFT_FAULT"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			t.Fatalf("WEFT_FAULT=%s is no duration above 0", s)
		}
		p.until = time.Now().Add(d)
	}
	return p
}

// next yields the faults to do, one after the other.
func (p plan) next(yield func(Fault) bool) {
	if !p.until.IsZero() {
		for time.Now().Before(p.until) && yield(p.faults[rand.IntN(len(p.faults))]) {
		}
		return
	}
	for _, f := range p.faults {
		for range max(1, f.Brief) {
			if !yield(f) {
				return
			}
		}
	}
}

// Whatever fault befalls the cluster, every event that was acknowledged reaches
// every device of its user once and in order, and nobody is told otherwise.
func TestNoFaultLosesDoublesOrReordersAnEvent(t *testing.T) {
	p := planned(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := StartCluster(t, ctx)
	beside := startBeside(t)
	StartLoad(t, ctx, c)
	report := Report{NotRun: p.notRun, Title: fmt.Sprintf("The fault suite, %s, beside %s, on %d cores, begun %s.",
		cmp.Or(os.Getenv("WEFT_FAULT"), "briefly"), beside, runtime.NumCPU(), time.Now().Format(time.DateTime))}
	defer func() { t.Logf("\n%s", &report) }()
	kept, err := openArchive()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.settle(ctx); err != nil {
		t.Fatal(err)
	}
	for f := range p.next {
		began := time.Now()
		r, err := c.Play(ctx, f)
		if err != nil {
			t.Error(err, kept.keep(c, &report, &Round{Fault: f.Name, Began: began, Faults: []string{err.Error()}}))
			break
		}
		report.Enter(r)
		for _, problem := range r.Faults {
			t.Errorf("%s: %s", f.Name, problem)
		}
		if f.Check != nil {
			if err := f.Check(r); err != nil {
				r.Odd = append(r.Odd, err.Error())
				t.Errorf("%s: %v", f.Name, err)
			}
		}
		judge(t, f, r)
		if err := kept.keep(c, &report, r); err != nil {
			t.Error(err)
		}
		if len(r.Faults) > 0 {
			break // what comes after would be counted against a false start
		}
	}
	if calm := report.Calm(); atLength() && calm.Elected.sum() > mostElections(calm.For) {
		t.Errorf("without a fault for %v there were elections: %v, at most %d", calm.For, calm.Elected, mostElections(calm.For))
	}
}

// generous bounds every silence on a machine that others use, too.
const generous = time.Minute

// judge holds a round to the times that the fault allows.
func judge(t *testing.T, f Fault, r *Round) {
	t.Helper()
	if f.MaxSilence > 0 && r.Silence > f.MaxSilence {
		r.Odd = append(r.Odd, fmt.Sprintf("a silence of %v, more than %v: %s", r.Silence, f.MaxSilence, r.silent))
	}
	if f.KafkaSilence > 0 && r.KafkaSilence > f.KafkaSilence {
		r.Odd = append(r.Odd, fmt.Sprintf("a silence of %v of events from Kafka, more than %v: %s", r.KafkaSilence, f.KafkaSilence, r.kafkaSilent))
	}
	most, kafka := generous, generous
	if os.Getenv("WEFT_FAULT_STRICT") == "1" {
		most, kafka = f.MaxSilence, f.KafkaSilence
	}
	if most > 0 && r.Silence > most {
		t.Errorf("%s: a silence of %v, at most %v", f.Name, r.Silence, most)
	}
	if kafka > 0 && r.KafkaSilence > kafka {
		t.Errorf("%s: a silence of %v of events from Kafka, at most %v", f.Name, r.KafkaSilence, kafka)
	}
}
