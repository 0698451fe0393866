package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/waitfor"
	"weft/test/load/meter"
)

// Bounds of what a soak does.
const (
	maxSoak     = 24 * time.Hour
	maxVisitors = 20_000
	// leaveLimit is how long a node has to be as it was when all have gone: feeds, presence
	// and connections linger for seconds.
	leaveLimit  = 2 * time.Minute
	missedLooks = 5
	// soakIn is how long a node needs until it keeps what it will keep: it remembers the ids of
	// events for two minutes, and buffers and caches grow with the first visits.
	soakIn = 3 * time.Minute
)

// A soak is visitors that come and go over all transports while events flow, for so long
// that what grows is seen.
type soak struct {
	weft     program
	nodes    int
	visitors int
	users    int
	rate     int // events per second
	stay     time.Duration
	length   time.Duration
	every    time.Duration
	out      io.Writer

	tally tally
}

// A tally is what all visitors have seen.
type tally struct {
	open, came, events, lost, doubled, resets, failed atomic.Int64

	out  io.Writer
	mu   sync.Mutex
	err  error // the first fault
	told int
}

func soakCommand(ctx context.Context, args []string) error {
	s := soak{out: os.Stdout, tally: tally{out: os.Stdout}}
	flags := flag.NewFlagSet("load soak", flag.ContinueOnError)
	flags.StringVar(&s.weft.binary, "weft", "bin/weft", "the weft `binary`")
	flags.Func("set", "a configuration `key=value` of Weft; may be repeated", s.weft.set)
	flags.IntVar(&s.nodes, "nodes", 1, "`number` of nodes")
	flags.IntVar(&s.visitors, "n", 5000, "`number` of visitors")
	flags.IntVar(&s.users, "users", 2500, "`number` of users that they are")
	flags.IntVar(&s.rate, "rate", 250, "events per `second`")
	flags.DurationVar(&s.stay, "stay", time.Minute, "how long a visitor stays in the mean")
	flags.DurationVar(&s.length, "for", time.Hour, "how long all takes")
	flags.DurationVar(&s.every, "every", 0, "how often it is looked (default a sixtieth of all)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.every <= 0 {
		s.every = max(time.Second, s.length/60)
	}
	switch {
	case s.length < 12*s.every || s.length > maxSoak:
		return fmt.Errorf("-for %v is not between twelve times -every (%v) and %v", s.length, s.every, maxSoak)
	case s.visitors < 1 || s.visitors > maxVisitors || s.users < 1 || s.users > s.visitors:
		return fmt.Errorf("-n %d is not between 1 and %d, or -users %d not between 1 and that", s.visitors, maxVisitors, s.users)
	case s.rate < 1 || s.stay <= 0 || s.nodes < 1:
		return fmt.Errorf("-rate, -stay and -nodes are above 0")
	}
	return s.run(ctx)
}

func (s *soak) run(ctx context.Context) error {
	// So few are kept of a user that the stream is as full as it gets after a part of the run.
	kept := max(10, s.rate*int(s.length/time.Second)/s.users/8)
	p := s.weft
	p.environ = append([]string{fmt.Sprintf("WEFT_EVENTS_MAX_PER_SUBJECT=%d", min(100, kept))}, p.environ...)
	weft, err := startWeft(ctx, p, weftOptions{nodes: s.nodes})
	if err != nil {
		return err
	}
	defer weft.end()
	fmt.Fprintf(s.out, "%d visitors of %d users, %v each, over SSE, WebSocket and long poll; %d events/s; %v; %s, load average %s\n",
		s.visitors, s.users, s.stay, s.rate, s.length, meter.Machine(), meter.Load())
	before, err := s.look(ctx, weft, 0)
	if err != nil {
		return err
	}
	visiting, stop := context.WithTimeout(ctx, s.length)
	defer stop()
	var all sync.WaitGroup
	for i := range s.visitors {
		v := &visitor{tally: &s.tally, number: i, user: userName(i % s.users), hosts: weft.sse.Hosts, token: weft.sse.Token, stay: s.stay}
		all.Go(func() { v.run(visiting) })
	}
	published := make(chan error, 1)
	go func() { published <- s.publish(visiting, weft.publish) }()
	samples, err := s.watch(visiting, weft)
	stop()
	all.Wait()
	if err != nil {
		return err
	}
	if err := <-published; err != nil {
		return err
	}
	return s.judge(ctx, weft, before, samples)
}

// publishers share the users, so that the events of each come one after the other.
const publishers = 8

// publish sends events to all users in turn, each with its number among those of its user,
// and again until it is acknowledged: an event is lost only if the gateway loses it.
func (s *soak) publish(ctx context.Context, to string) error {
	address, _, _ := strings.Cut(strings.TrimPrefix(to, "nats://"), "/")
	conn, err := nats.Connect("nats://"+address, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	defer conn.Close()
	began := time.Now()
	var all sync.WaitGroup
	for first := range publishers {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				due := began.Add(time.Duration(n) * time.Second / time.Duration(s.rate))
				if n%s.users%publishers == first && waitfor.Time(ctx, time.Until(due)) == nil {
					s.store(ctx, conn, n)
				}
			}
		})
	}
	all.Wait()
	return nil
}

// store publishes event n until it is acknowledged, or ctx ends.
func (s *soak) store(ctx context.Context, conn *nats.Conn, n int) {
	m := nats.NewMsg("user." + userName(n%s.users))
	m.Header.Set(nats.MsgIdHdr, strconv.Itoa(n))
	m.Data = fmt.Appendf(nil, `{"number":%d,"pad":"%064d"}`, n/s.users, n)
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, settleTry)
		answer, err := conn.RequestMsgWithContext(try, m)
		cancel()
		if err == nil && !bytes.Contains(answer.Data, []byte(`"error"`)) {
			return
		}
		_ = waitfor.Time(ctx, 100*time.Millisecond) // asked by the loop
	}
}

// A sample is what the nodes keep at a moment.
type sample struct {
	at                            time.Duration
	resident, files               int64 // of all nodes
	heap, goroutines              float64
	messages, bytes               float64 // of the stream
	open, came, events            int64
	lost, doubled, resets, failed int64
	cpu                           time.Duration
}

func (s *soak) look(ctx context.Context, weft *server, at time.Duration) (one sample, err error) {
	one.at = at
	for _, pid := range weft.pids {
		now, _, err := meter.Resident(pid)
		if err != nil {
			return one, err
		}
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return one, err
		}
		one.resident += now
		one.files += int64(len(files))
	}
	if one.cpu, err = meter.CPU(weft.pids...); err != nil {
		return one, err
	}
	for name, to := range map[string]*float64{"go_memstats_heap_alloc_bytes": &one.heap, "go_goroutines": &one.goroutines,
		"weft_jetstream_stream_messages": &one.messages, "weft_jetstream_stream_bytes": &one.bytes} {
		if *to, err = meter.Gauge(ctx, weft.metrics, name); err != nil {
			return one, err
		}
	}
	t := &s.tally
	one.open, one.came, one.events = t.open.Load(), t.came.Load(), t.events.Load()
	one.lost, one.doubled, one.resets, one.failed = t.lost.Load(), t.doubled.Load(), t.resets.Load(), t.failed.Load()
	return one, nil
}

// watch looks now and then until ctx ends. A node that does not answer in time is looked at
// the next time, missedLooks times in a row.
func (s *soak) watch(ctx context.Context, weft *server) (samples []sample, err error) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	began, missed := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return samples, nil
		case <-tick.C:
		}
		if ctx.Err() != nil {
			return samples, nil
		}
		one, err := s.look(context.WithoutCancel(ctx), weft, time.Since(began))
		if err != nil {
			fmt.Fprintln(s.out, err)
			if missed++; missed > missedLooks {
				return samples, err
			}
			continue
		}
		missed = 0
		samples = append(samples, one)
		fmt.Fprintf(s.out, "%v\n", one)
	}
}

func (one sample) String() string {
	return fmt.Sprintf("%8v  %4d open, %d came; resident %d MiB, heap %.0f MiB, %.0f goroutines, %d descriptors; stream %.0f, %.1f MiB; %d events, lost %d, doubled %d, resets %d, failed %d; processor %v",
		one.at.Round(time.Second), one.open, one.came, one.resident>>20, one.heap/(1<<20), one.goroutines, one.files, one.messages, one.bytes/(1<<20),
		one.events, one.lost, one.doubled, one.resets, one.failed, one.cpu)
}

// soaked are the samples of a run in which nothing need grow any more: those of its last three
// quarters, without a warm-up of at most half the run.
func soaked(samples []sample, length time.Duration) []sample {
	from := max(length/4, min(soakIn, length/2))
	for len(samples) > 0 && samples[0].at <= from {
		samples = samples[1:]
	}
	return samples
}

// judge compares the last third with the first one of what has settled, and what is left when
// all have gone with what was there before.
func (s *soak) judge(ctx context.Context, weft *server, before sample, samples []sample) error {
	looked := len(samples)
	samples = soaked(samples, s.length)
	third := len(samples) / 3
	if third < 1 {
		return fmt.Errorf("%w: looked %d times only", errInvalid, looked)
	}
	of := func(from int, value func(sample) float64) float64 {
		var values []float64
		for _, one := range samples[from : from+third] {
			values = append(values, value(one))
		}
		m, _ := median(values)
		return m
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nmedian of\tbefore\tfirst third\tlast third\tgrowth\tmay be\t")
	grown := 0
	for _, row := range []struct {
		name  string
		may   float64 // per cent
		least float64 // growth that says nothing
		value func(sample) float64
	}{
		{"resident, MiB", 10, 8, func(one sample) float64 { return float64(one.resident) / (1 << 20) }},
		{"goroutines", 5, 20, func(one sample) float64 { return one.goroutines }},
		{"descriptors", 5, 20, func(one sample) float64 { return float64(one.files) }},
		{"stream, messages", 5, 0, func(one sample) float64 { return one.messages }},
		{"stream, MiB", 5, 0, func(one sample) float64 { return one.bytes / (1 << 20) }},
	} {
		first, last := of(0, row.value), of(len(samples)-third, row.value)
		growth := (last/first - 1) * 100
		mark := ""
		if growth > row.may && last-first > row.least {
			mark = " GROWS"
			grown++
		}
		fmt.Fprintf(table, "%s\t%.0f\t%.1f\t%.1f\t%+.1f %%%s\t%.0f %%\t\n", row.name, row.value(before), first, last, growth, mark, row.may)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	left, err := s.leave(ctx, weft, before)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "when all have gone: %v\n", left)
	t := &s.tally
	switch faults := t.lost.Load() + t.doubled.Load() + t.resets.Load() + t.failed.Load(); {
	case faults > 0:
		return fmt.Errorf("%d events lost, %d doubled, %d resets, %d failed visits; the first: %w", t.lost.Load(), t.doubled.Load(), t.resets.Load(), t.failed.Load(), t.err)
	case grown > 0:
		return fmt.Errorf("%d of these grow", grown)
	case !isAsBefore(before, left):
		return fmt.Errorf("%.0f goroutines and %d descriptors are left of %.0f and %d", left.goroutines, left.files, before.goroutines, before.files)
	}
	return nil
}

// leave waits until the nodes are as they were before, or for leaveLimit.
func (s *soak) leave(ctx context.Context, weft *server, before sample) (left sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, leaveLimit)
	defer cancel()
	for {
		if left, err = s.look(context.WithoutCancel(ctx), weft, s.length); err != nil || isAsBefore(before, left) {
			return left, err
		}
		select {
		case <-ctx.Done():
			return left, nil
		case <-time.After(time.Second):
		}
	}
}

// isAsBefore leaves room for what a node opens now and then of itself.
func isAsBefore(before, left sample) bool {
	return left.goroutines <= before.goroutines+20 && left.files <= before.files+20
}
