package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"weft/test/load/meter"
)

// How many routes there are beside those that are asked.
const otherRoutes = 1000

// A routesBench compares requests through Weft's routes with those through a plain reverse
// proxy to the same back end, in turn.
type routesBench struct {
	weft       program
	baseline   string
	rounds     int
	span       time.Duration
	sockets    int
	settle     time.Duration
	out        io.Writer
	back, bare *server
}

func routesCommand(ctx context.Context, args []string) error {
	b := &routesBench{out: os.Stdout, rounds: 5, span: 5 * time.Second, sockets: 1000, settle: 20 * time.Second}
	flags := flag.NewFlagSet("load routes", flag.ContinueOnError)
	flags.StringVar(&b.weft.binary, "weft", "bin/weft", "the weft `binary`")
	flags.Func("set", "a configuration `key=value` of Weft; may be repeated", b.weft.set)
	flags.StringVar(&b.baseline, "baseline", "bin/baseline", "the `binary` of test/load/baseline")
	quick := flags.Bool("quick", false, "seven rounds of one second each, for development")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *quick {
		b.rounds, b.span, b.sockets = 7, time.Second, 300
	}
	return b.run(ctx, args)
}

func (b *routesBench) run(ctx context.Context, args []string) (err error) {
	machine := fmt.Sprintf("%s, %d cores, %s/%s, %s", meter.Machine(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	fmt.Fprintf(b.out, "%s; load average before the run %s\n", machine, meter.Load())
	if b.back, err = startBaseline(ctx, b.baseline, "-back"); err != nil {
		return err
	}
	defer b.back.end()
	if b.bare, err = startBaseline(ctx, b.baseline, "-proxy", "http://"+b.back.address); err != nil {
		return err
	}
	defer b.bare.end()
	weft, err := b.startWeft(ctx)
	if err != nil {
		return err
	}
	defer weft.end()
	if err := b.compare(ctx, weft); err != nil {
		return err
	}
	if err := b.besideEvents(ctx, weft); err != nil {
		return err
	}
	if err := b.compareSockets(ctx); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n%d rounds of %v, %d routes; %s\nAgain: bin/load %s\n", b.rounds, b.span, otherRoutes, machine, strings.TrimSpace("routes "+strings.Join(args, " ")))
	return nil
}

// startWeft starts a node with a thousand routes, and those that are asked.
func (b *routesBench) startWeft(ctx context.Context) (*server, error) {
	s, err := startWeft(ctx, b.weft, weftOptions{routes: b.routes()})
	if err != nil {
		return nil, err
	}
	if err := awaitRoutes(ctx, s.metrics); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// awaitRoutes waits until all routes serve.
func awaitRoutes(ctx context.Context, metrics string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		n, err := meter.Gauge(ctx, metrics, "weft_route_table_routes")
		if err == nil && n >= otherRoutes+3 {
			return nil
		}
		if sleep(ctx, 50*time.Millisecond) != nil {
			return errors.Join(errors.New("the routes do not come to serve"), err)
		}
	}
}

// routes is the section of the configuration.
func (b *routesBench) routes() string {
	var text strings.Builder
	target := "http://" + b.back.address
	fmt.Fprintf(&text, "routes:\n  bare: {pattern: '/bare', target: '%s', auth: {mode: none}}\n", target)
	fmt.Fprintf(&text, "  full: {pattern: '/full', target: '%s', rate: {per: user, limit: 1000000/s}, request_headers: {set: {X-Tenant: '{user}', X-Plan: 'gold'}}}\n", target)
	fmt.Fprintf(&text, "  socket: {pattern: '/socket', target: '%s', auth: {mode: none}}\n", target)
	for i := range otherRoutes {
		fmt.Fprintf(&text, "  r%d: {pattern: 'GET /api/v%d/things%d/{id}', target: '%s', auth: {mode: none}}\n", i, i%10, i, target)
	}
	return text.String()
}

// connectionsEach is how many connections send requests at once.
const connectionsEach = 16

// latencyPace is the pace at which latency is measured, in requests per second.
const latencyPace = 500

// compare sends each kind of request through both in turn.
func (b *routesBench) compare(ctx context.Context, weft *server) error {
	bearer := "Authorization: Bearer " + minter(secret)("ann")
	for _, c := range []struct {
		name, path string
		body       int
		must       float64
		header     []string
	}{
		{"GET, mode none", "/bare", 0, 1.25, nil},
		{"POST 1 KiB, mode none", "/bare", 1 << 10, 1.25, nil},
		{"GET, token, rate and set", "/full", 0, 1.5, []string{bearer}},
		{"POST 1 KiB, token, rate and set", "/full", 1 << 10, 1.5, []string{bearer}},
	} {
		q := newRequest(c.name, c.path, c.body, c.header...)
		var cpu, late [2][]float64
		for range b.rounds {
			for i, s := range []*server{b.bare, weft} {
				r, err := measureRequests(ctx, s.address, s.pids, q, connectionsEach, 0, b.span)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				paced, err := measureRequests(ctx, s.address, s.pids, q, connectionsEach, latencyPace, b.span)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				fmt.Fprintf(b.out, "  %-8s %-32s %v; at %d/s: p50 %v, p99 %v\n", s.name, c.name, r, latencyPace, paced.P50.Round(time.Microsecond), paced.P99.Round(time.Microsecond))
				cpu[i], late[i] = append(cpu[i], r.CPU), append(late[i], float64(paced.P99.Microseconds()))
			}
		}
		b.ratio(c.name+": processor time", "µs", cpu, c.must)
		b.ratio(c.name+fmt.Sprintf(": p99 at %d/s", latencyPace), "µs", late, 1.3)
	}
	return nil
}

// ratio prints a line: the medians of the plain proxy and of Weft.
func (b *routesBench) ratio(name, unit string, values [2][]float64, must float64) {
	bare, _ := median(values[0])
	weft, _ := median(values[1])
	fmt.Fprintf(b.out, "%-55s plain %.1f %s, Weft %.1f %s: %.2f × (at most %.2f)\n", name, bare, unit, weft, unit, weft/bare, must)
}

// compareSockets reads the memory of WebSockets that are passed through, each by a fresh
// process.
func (b *routesBench) compareSockets(ctx context.Context) error {
	var each [2][]float64
	for i, start := range []func(context.Context) (*server, error){
		func(ctx context.Context) (*server, error) {
			return startBaseline(ctx, b.baseline, "-proxy", "http://"+b.back.address)
		},
		b.startWeft,
	} {
		s, err := start(ctx)
		if err != nil {
			return err
		}
		bytes, err := b.memoryOfSockets(ctx, s)
		s.end()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		each[i] = []float64{bytes}
	}
	b.ratio("WebSocket passed through: memory", "B", each, 1.1)
	return nil
}

func (b *routesBench) memoryOfSockets(ctx context.Context, s *server) (float64, error) {
	before, err := settled(ctx, s.pids, b.settle)
	if err != nil {
		return 0, err
	}
	sockets := make([]io.Closer, 0, b.sockets)
	defer func() {
		for _, c := range sockets {
			_ = c.Close()
		}
	}()
	for range b.sockets {
		c, err := openSocket(ctx, s.address)
		if err != nil {
			return 0, err
		}
		sockets = append(sockets, c)
	}
	after, err := settled(ctx, s.pids, b.settle)
	return float64(after.private-before.private) / float64(b.sockets), err
}
