package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"weft/test/load/meter"
)

// What a node may keep resident that has taken the fill's two million events, in
// bytes: at most while they come, and at the end of the rest.
const (
	maxPeak   = 600 << 20
	maxRested = 300 << 20
)

// How long it may take that all is stored, one try to learn it, and the pause between two.
const (
	settleLimit = 5 * time.Minute
	settleTry   = 20 * time.Second
	settlePause = time.Second
)

// maxPublishers bounds from how many connections at once events come.
const maxPublishers = 1000

// A fill is events that come as fast as a node takes them, for many users of whom nobody
// is there, without acknowledgements.
type fill struct {
	weft   []program // in turn
	events int
	users  int
	size   int // of a payload, bytes
	rest   time.Duration
	rounds int
	from   int           // publishers, each with a connection of its own
	every  time.Duration // how often memory is printed; 0: never
	out    io.Writer
}

// A filled is what a fill cost.
type filled struct {
	took         time.Duration
	perEvent     float64 // µs of processor time
	peak, rested int64   // resident bytes: the most, and at the end of the rest
	resting      time.Duration
	lost         int64 // of those that nobody promised to store
}

func (f filled) String() string {
	return fmt.Sprintf("%.1f s, %.1f µs of processor time an event, resident %d MiB at the peak, %d MiB after the rest, which cost %v; %d lost",
		f.took.Seconds(), f.perEvent, f.peak>>20, f.rested>>20, f.resting, f.lost)
}

func fillCommand(ctx context.Context, args []string) error {
	f := fill{out: os.Stdout}
	flags := flag.NewFlagSet("load fill", flag.ContinueOnError)
	programs := inTurn(flags)
	flags.IntVar(&f.events, "events", 2_000_000, "`number` of events")
	flags.IntVar(&f.users, "users", 100_000, "`number` of users that they are for, in turn")
	flags.IntVar(&f.from, "publishers", 1, "`number` of publishers that they come from at once")
	flags.IntVar(&f.size, "size", 128, "payload in `bytes`")
	flags.DurationVar(&f.rest, "rest", time.Minute, "how long a node rests before its memory is read")
	flags.DurationVar(&f.every, "every", 0, "print the resident memory so often")
	flags.IntVar(&f.rounds, "rounds", 1, "`number` of rounds")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if f.events < 1 || f.users < 1 || f.size < 1 || f.rounds < 1 || f.from < 1 || f.from > maxPublishers || f.rest < 0 {
		return fmt.Errorf("-events, -users, -size, -rounds and -publishers are at least 1, -publishers at most %d", maxPublishers)
	}
	f.weft = programs()
	return f.run(ctx)
}

func (f *fill) run(ctx context.Context) error {
	fmt.Fprintf(f.out, "%d events of %d bytes for %d users, %v of rest; %s, %d cores; load average before %s\n",
		f.events, f.size, f.users, f.rest, meter.Machine(), runtime.NumCPU(), meter.Load())
	all := make([][]filled, len(f.weft))
	for round := range f.rounds {
		for i, p := range f.weft {
			one, err := f.once(ctx, p)
			if err != nil {
				return fmt.Errorf("%s: %w", p.binary, err)
			}
			all[i] = append(all[i], one)
			fmt.Fprintf(f.out, "round %d  %-20s %v\n", round+1, p.binary, one)
		}
	}
	fmt.Fprintf(f.out, "\nmedians of %d\n", f.rounds)
	for i, p := range f.weft {
		of := func(value func(filled) float64) float64 {
			var values []float64
			for _, one := range all[i] {
				values = append(values, value(one))
			}
			m, _ := median(values)
			return m
		}
		peak, rested := of(func(one filled) float64 { return float64(one.peak) }), of(func(one filled) float64 { return float64(one.rested) })
		fmt.Fprintf(f.out, "%-20s %5.1f µs an event, peak %4.0f MiB%s, rested %4.0f MiB%s\n", p.binary,
			of(func(one filled) float64 { return one.perEvent }), peak/(1<<20), above(peak, maxPeak), rested/(1<<20), above(rested, maxRested))
	}
	return nil
}

// above says by how much a figure is beyond its bar.
func above(value, bar float64) string {
	if value <= bar {
		return ""
	}
	return fmt.Sprintf(" (may be %.0f)", bar/(1<<20))
}

// once fills one node.
func (f *fill) once(ctx context.Context, p program) (filled, error) {
	s, err := startWeft(ctx, p, weftOptions{})
	if err != nil {
		return filled{}, err
	}
	defer s.end()
	if f.every > 0 {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		go f.watch(watching, s)
	}
	before, err := meter.CPU(s.pids...)
	if err != nil {
		return filled{}, err
	}
	began := time.Now()
	if err := f.publish(ctx, s.publish+"/user.{user}"); err != nil {
		return filled{}, err
	}
	one := filled{took: time.Since(began)}
	full, err := meter.CPU(s.pids...)
	if err != nil {
		return filled{}, err
	}
	one.perEvent = microseconds(full-before, int64(f.events))
	select {
	case <-time.After(f.rest):
	case <-ctx.Done():
		return filled{}, ctx.Err()
	}
	rested, err := meter.CPU(s.pids...)
	if err != nil {
		return filled{}, err
	}
	one.resting = rested - full
	if one.rested, one.peak, err = meter.Resident(s.pids[0]); err != nil {
		return filled{}, err
	}
	stored, err := meter.Gauge(ctx, s.metrics, "weft_jetstream_stream_messages") // ticks included
	one.lost = max(0, int64(f.events)-int64(stored))
	return one, err
}

// publish sends all events and returns when the node has stored what has come of them.
func (f *fill) publish(ctx context.Context, to string) error {
	payload := bytes.Repeat([]byte("a payload of letters and blanks "), f.size/32+1)[:f.size]
	var next atomic.Int64
	one := func() error {
		p, err := openPublisher(to)
		if err != nil {
			return err
		}
		defer p.close()
		for i := next.Add(1) - 1; i < int64(f.events); i = next.Add(1) - 1 {
			if err := p.publish(ctx, uint32(i%int64(f.users)), payload); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
		}
		waiting, ok := p.(*natsPublisher)
		if !ok {
			return fmt.Errorf("%T does not wait", p)
		}
		return waiting.settle(ctx)
	}
	var all sync.WaitGroup
	failed := make([]error, f.from)
	for i := range failed {
		all.Go(func() { failed[i] = one() })
	}
	all.Wait()
	return errors.Join(failed...)
}

// watch prints what is resident now and then.
func (f *fill) watch(ctx context.Context, s *server) {
	began := time.Now()
	for ctx.Err() == nil {
		now, _, err := meter.Resident(s.pids[0])
		if err != nil {
			return
		}
		fmt.Fprintf(f.out, "%6.1f s  %4d MiB\n", time.Since(began).Seconds(), now>>20)
		select {
		case <-time.After(f.every):
		case <-ctx.Done():
		}
	}
}

// settle waits until all that was published is stored: the node answers in order. It asks
// again, since what it asks may get lost like what it asks about.
func (p *natsPublisher) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for {
		try, cancel := context.WithTimeout(ctx, settleTry)
		answer, err := p.conn.RequestMsgWithContext(try, &nats.Msg{Subject: "topic.load.last", Data: []byte("last")})
		cancel()
		switch {
		case err == nil && answer.Header.Get("Status") == "":
			return nil
		case err == nil:
			return fmt.Errorf("wait for the last event: %s", answer.Header.Get("Description"))
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrNoResponders):
			return fmt.Errorf("wait for the last event: %w", err)
		}
		select {
		case <-time.After(settlePause):
		case <-ctx.Done():
		}
	}
}
