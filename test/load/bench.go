package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"weft/test/load/meter"
)

// maxBaseline is what the plain server may cost, in microseconds per delivery at
// M=1,000 with one in flight, for a run to be worth reading: beyond it the machine
// was busy with something else, and ratios flatter.
const maxBaseline = 12.0

// scale is how much of everything a run does.
type scale struct {
	rounds  int
	idle    int // connections
	small   int // subscribers of the smaller fan-outs
	large   int // and of the larger
	users   int // of unicast
	tls     int // connections over TLS
	quick   bool
	settle  time.Duration // before memory is read
	flow    time.Duration // of each measured flow
	spread  []int         // connections at which memory is read
	nodes   []int         // of the clusters
	topics  []int         // that a connection follows
	payload int           // bytes
}

// fullSettle outlasts two minutes after which Go collects garbage by force.
const fullSettle = 135 * time.Second

var (
	full = scale{
		rounds: 3, idle: 10_000, small: 1000, large: 10_000, users: 1000, tls: 1000,
		settle: fullSettle, flow: 10 * time.Second, spread: []int{1000, 5000, 10_000, 18_000},
		nodes: []int{1, 3, 5}, topics: []int{1, 4, 16, 64}, payload: 128,
	}
	quick = scale{
		rounds: 1, idle: 2000, small: 1000, large: 2000, users: 1000, tls: 200,
		settle: 20 * time.Second, flow: 2 * time.Second, spread: []int{500, 1000, 2000},
		nodes: []int{1, 3}, topics: []int{1, 16}, payload: 128, quick: true,
	}
)

// A bench is one run of everything.
type bench struct {
	scale
	weft     program
	baseline string // binary
	cert     *certificate
	only     *regexp.Regexp
	plots    string // folder; "" for none
	out      io.Writer
	results  *results
	round    int
	faults   int64
	measured bool // something whose faults count
}

func benchCommand(ctx context.Context, args []string) error {
	b := &bench{scale: full, out: os.Stdout}
	flags := flag.NewFlagSet("load bench", flag.ContinueOnError)
	isQuick := flags.Bool("quick", false, "a run of about three minutes with fewer connections, once, that settles for 20s; for development")
	only := flags.String("only", "", "run only scenarios whose `name` matches this regular expression; -list shows the names")
	list := flags.Bool("list", false, "list the scenarios")
	flags.StringVar(&b.weft.binary, "weft", "bin/weft", "the weft `binary`")
	flags.Func("set", "a configuration `key=value` of Weft, as tuning.raw_calls=false; may be repeated", b.weft.set)
	flags.StringVar(&b.baseline, "baseline", "bin/baseline", "the `binary` of test/load/baseline")

	flags.StringVar(&b.plots, "plots", "", "draw how cost grows into this `folder`")
	rounds := flags.Int("rounds", 0, "run each scenario `n` times, instead of 3 (or 1 with -quick)")
	settle := flags.Duration("settle", 0, "settle for this `time`, instead of 135s (or 20s with -quick)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *isQuick {
		b.scale = quick
	}
	if *rounds > 0 {
		b.rounds = min(*rounds, 20)
	}
	if *settle > 0 {
		b.settle = min(max(*settle, keepalive), time.Hour)
	}
	var err error
	if b.only, err = regexp.Compile(*only); err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if *list {
		for _, s := range scenarios {
			fmt.Fprintln(b.out, s.name)
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "weft-load-tls-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if b.cert, err = writeCertificate(dir); err != nil {
		return err
	}
	b.results = newResults(b.scale)
	return b.run(ctx, args)
}

// run runs all scenarios and prints the table.
func (b *bench) run(ctx context.Context, args []string) error {
	machine := fmt.Sprintf("%s, %d cores, %s/%s, %s", meter.Machine(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	b.say("%s; load average before the run %s", machine, meter.Load())
	for b.round = 1; b.round <= b.rounds; b.round++ {
		for _, s := range scenarios {
			if s.once && b.round > 1 || s.full && b.quick && b.only.String() == "" || !b.only.MatchString(s.name) {
				continue
			}
			if err := s.run(b, ctx); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	if b.measured {
		b.results.weft["faults"] = []float64{float64(b.faults)}
	}
	fmt.Fprintf(b.out, "\n%d connections idle, payload of %d bytes, medians of %d; %s\n", b.idle, b.payload, b.rounds, machine)
	if b.settle < fullSettle {
		fmt.Fprintf(b.out, "Settled for %v only: memory still holds garbage that the collection after two minutes frees, and all of it is rough.\n", b.settle)
	}
	fmt.Fprintf(b.out, "Again: bin/load %s\n\n", strings.TrimSpace("bench "+strings.Join(args, " ")))
	b.results.write(b.out)
	return checkBaseline(b.results, b.out)
}

// checkBaseline is errInvalid when the baseline was too slow.
func checkBaseline(r *results, out io.Writer) error {
	base, ok := median(r.baseline["fan-out sse small 1"])
	switch {
	case ok && base > maxBaseline:
		return fmt.Errorf("%w: the plain server cost %.1f µs per delivery at M=1,000 and may cost %.0f: the machine was busy", errInvalid, base, maxBaseline)
	case !ok:
		fmt.Fprintln(out, "\nWithout the baseline at M=1,000, one in flight, nobody knows whether this run is valid.")
	}
	return nil
}

// say prints a line of progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.out, format+"\n", args...)
}
