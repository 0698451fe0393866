package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"weft/test/load/crowd"
	"weft/test/load/meter"
)

// A tail is a steady pace of events through NATS to users over SSE, and how late the slowest of
// them are. All servers run all the time; they take turns in short rounds, so that what else the
// machine does meets all of them.
type tail struct {
	weft       []program
	centrifugo string // a binary; "" for none
	natsServer string // a binary: the broker of Centrifugo
	pace       int    // events per second
	users      int
	size       int // of a payload, bytes
	span       time.Duration
	rounds     int
	out        io.Writer
}

// A tailed is one of the servers with its crowd, and what its rounds gave.
type tailed struct {
	name           string
	server         *server
	flow           flow
	p50, p99, p999 []float64 // µs
	cpu            []float64 // µs per event, of all processes of the server
	close          func()
	faults         int64
}

func tailCommand(ctx context.Context, args []string) error {
	t := tail{out: os.Stdout}
	flags := flag.NewFlagSet("load tail", flag.ContinueOnError)
	programs := inTurn(flags)
	flags.StringVar(&t.centrifugo, "centrifugo", "", "a `binary` of Centrifugo 6, which takes turns, too")
	flags.StringVar(&t.natsServer, "nats-server", "nats-server", "a `binary` of nats-server, the broker of Centrifugo")
	flags.IntVar(&t.pace, "pace", 2000, "`events` per second")
	flags.IntVar(&t.users, "users", 1000, "`number` of users that they are for, in turn, with one connection each")
	flags.IntVar(&t.size, "size", 128, "payload in `bytes`")
	flags.DurationVar(&t.span, "for", 8*time.Second, "how long a round is")
	flags.IntVar(&t.rounds, "rounds", 9, "`number` of rounds")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if t.pace < 1 || t.pace > 100_000 || t.users < 2 || t.users > maxSubscribers || t.size < 1 || t.rounds < 1 || t.span < time.Second || t.span > maxFlow {
		return fmt.Errorf("-pace is between 1 and 100000, -users between 2 and %d, -size and -rounds at least 1, -for between 1s and %v", maxSubscribers, maxFlow)
	}
	t.weft = programs()
	return t.run(ctx)
}

func (t *tail) run(ctx context.Context) error {
	fmt.Fprintf(t.out, "%d events/s of %d bytes to %d users, rounds of %v; %s, %d cores; load average before %s\n",
		t.pace, t.size, t.users, t.span, meter.Machine(), runtime.NumCPU(), meter.Load())
	var all []*tailed
	defer func() {
		for _, one := range all {
			one.close()
		}
	}()
	for _, p := range t.weft {
		s, err := startWeft(ctx, p, weftOptions{})
		if err == nil {
			all, err = t.follow(ctx, all, p.binary, s, "/user.{user}")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.binary, err)
		}
	}
	if t.centrifugo != "" {
		s, err := startCentrifugo(ctx, t.centrifugo, t.natsServer)
		if err == nil {
			all, err = t.follow(ctx, all, "centrifugo", s, "/{user}")
		}
		if err != nil {
			return fmt.Errorf("centrifugo: %w", err)
		}
	}
	for round := range t.rounds {
		for i := range all { // who begins changes
			one := all[(i+round)%len(all)]
			if err := one.once(ctx, t.span); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			last := len(one.p50) - 1
			fmt.Fprintf(t.out, "round %d  %-20s p50 %5.0f µs  p99 %5.0f µs  p99.9 %6.0f µs  %5.1f µs of processor time an event\n",
				round+1, one.name, one.p50[last], one.p99[last], one.p999[last], one.cpu[last])
		}
	}
	fmt.Fprintf(t.out, "\nmedians of %d; load average after %s\n", t.rounds, meter.Load())
	var faults int64
	for _, one := range all {
		faults += one.faults
		fmt.Fprintf(t.out, "%-29s p50 %5.0f µs  p99 %5.0f µs  p99.9 %6.0f µs  %5.1f µs of processor time an event\n",
			one.name, middle(one.p50), middle(one.p99), middle(one.p999), middle(one.cpu))
	}
	if len(all) > 1 {
		for _, one := range all[1:] {
			fmt.Fprintf(t.out, "%s beside %s, medians of the ratios in a round: p50 %.2f, p99 %.2f, p99.9 %.2f\n",
				all[0].name, one.name, ratio(all[0].p50, one.p50), ratio(all[0].p99, one.p99), ratio(all[0].p999, one.p999))
		}
	}
	if faults > 0 {
		return fmt.Errorf("%w: %d events lost, doubled or overtaken", errInvalid, faults)
	}
	return nil
}

// follow connects a crowd to a server, whose end is that of what it returns.
func (t *tail) follow(ctx context.Context, all []*tailed, name string, s *server, subject string) ([]*tailed, error) {
	one := &tailed{name: name, server: s, close: s.end}
	all = append(all, one)
	target := s.sse
	target.User = userName
	c, err := crowd.New(crowd.Config{Target: target, Ready: s.ready, Workers: workers, Subject: func(i int) uint32 { return uint32(i) }})
	if err != nil {
		return all, err
	}
	one.close = func() { c.Close(); s.end() }
	if err := c.Grow(ctx, t.users); err != nil {
		return all, err
	}
	to, err := openPublisher(s.publish + subject)
	if err != nil {
		return all, err
	}
	one.close = func() { to.close(); c.Close(); s.end() }
	one.flow = flow{crowd: c, to: to, pids: s.pids, subjects: t.users, inFlight: maxWaiting, size: t.size,
		every: time.Second / time.Duration(t.pace)}
	return all, nil
}

// maxWaiting is how many events may be in flight at a pace before the publisher waits: a
// server that cannot keep up is not measured.
const maxWaiting = 100_000

// once lets events flow for one round.
func (o *tailed) once(ctx context.Context, span time.Duration) error {
	c, err := o.flow.measure(ctx, span)
	if err != nil {
		return err
	}
	o.faults = c.Report.Faults()
	for q, of := range map[float64]*[]float64{0.5: &o.p50, 0.99: &o.p99, 0.999: &o.p999} {
		*of = append(*of, float64(c.Report.Latency.Quantile(q))/float64(time.Microsecond))
	}
	o.cpu = append(o.cpu, c.PerEvent())
	return nil
}

func middle(values []float64) float64 {
	m, _ := median(values)
	return m
}

// ratio is the median of the ratios of two servers, round by round.
func ratio(of, to []float64) float64 {
	ratios := make([]float64, len(of))
	for i := range of {
		ratios[i] = of[i] / max(1, to[i])
	}
	return middle(ratios)
}
