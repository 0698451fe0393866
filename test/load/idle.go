package main

import (
	"context"
	"fmt"
	"time"

	"weft/test/load/crowd"
	"weft/test/load/meter"
)

// keepalive is the time between keep-alives; idle processor time is measured over
// whole multiples of it.
const keepalive = 15 * time.Second

// An idle run is connections that only stay.
type idle struct {
	Bytes      float64       // private, per connection
	Goroutines float64       // of the whole process; 0 when it does not tell
	CPU        float64       // ms per second and 10,000 connections, above that of none
	Connect    float64       // ms per 1,000 connections
	Client     float64       // the same of the client
	Took       time.Duration // to connect all
	Report     crowd.Report
}

func (r idle) String() string {
	return fmt.Sprintf("%.0f B each, %.0f goroutines, idle %.2f ms/s per 10,000; connect: server %.1f ms, client %.1f ms per 1,000, in %v; %s",
		r.Bytes, r.Goroutines, r.CPU, r.Connect, r.Client, r.Took.Round(10*time.Millisecond), faults(r.Report))
}

// measureIdle connects n subscribers to a server that nobody else uses. It
// settles before and after, so that garbage of neither start nor handshakes
// counts.
func measureIdle(ctx context.Context, s *server, c *crowd.Crowd, n int, settle time.Duration) (idle, error) {
	none, err := settled(ctx, s.pids, settle)
	if err != nil {
		return idle{}, err
	}
	var r idle
	server, err := meter.CPU(s.pids...)
	if err != nil {
		return idle{}, err
	}
	client, began := meter.Own(), time.Now()
	if err := c.Grow(ctx, n); err != nil {
		return idle{}, err
	}
	r.Took, r.Client = time.Since(began), milliseconds(meter.Own()-client)*1000/float64(n)
	after, err := meter.CPU(s.pids...)
	if err != nil {
		return idle{}, err
	}
	r.Connect = milliseconds(after-server) * 1000 / float64(n)
	all, err := settled(ctx, s.pids, settle)
	if err != nil {
		return idle{}, err
	}
	r.Bytes = float64(all.private-none.private) / float64(n)
	r.CPU = (all.rate - none.rate) * 10_000 / float64(n)
	if s.metrics != "" {
		if r.Goroutines, err = meter.Gauge(ctx, s.metrics, "go_goroutines"); err != nil {
			return idle{}, err
		}
	}
	r.Report = c.Report(func(uint32) uint32 { return 0 })
	return r, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// rest is processes that have settled.
type rest struct {
	private int64   // bytes
	rate    float64 // processor time in ms per second
}

// settled waits for a while; the processor time is that of its end.
func settled(ctx context.Context, pids []int, settle time.Duration) (rest, error) {
	window := max(keepalive, (settle*3/4)/keepalive*keepalive)
	if err := sleep(ctx, settle-window); err != nil {
		return rest{}, err
	}
	before, err := meter.CPU(pids...)
	if err != nil {
		return rest{}, err
	}
	began := time.Now()
	if err := sleep(ctx, window); err != nil {
		return rest{}, err
	}
	after, err := meter.CPU(pids...)
	if err != nil {
		return rest{}, err
	}
	private, err := meter.Private(pids...)
	return rest{private, milliseconds(after-before) / time.Since(began).Seconds()}, err
}

// sleep waits for time to pass: that nothing happens in it is what is measured.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// idleWeft measures idle connections, each its own user.
func (b *bench) idleWeft(ctx context.Context, t crowd.Transport) error {
	s, err := startWeft(ctx, b.weft, weftOptions{})
	if err != nil {
		return err
	}
	defer s.end()
	r, err := b.stay(ctx, s, s.target(t), b.scale.idle)
	if err != nil {
		return err
	}
	key := "idle " + string(t)
	b.keep(b.results.weft, key+" bytes", r.Bytes, s.name, r)
	b.also(b.results.weft, key+" goroutines", r.Goroutines)
	b.also(b.results.weft, key+" cpu", r.CPU)
	b.also(b.results.weft, "connect "+string(t), r.Connect)
	b.count(r.Report)
	return nil
}

// idleBaseline measures the same at the plain server, which knows no users.
func (b *bench) idleBaseline(ctx context.Context) error {
	for _, t := range []crowd.Transport{crowd.SSE, crowd.WebSocket} {
		s, err := startBaseline(ctx, b.baseline)
		if err != nil {
			return err
		}
		r, err := b.stay(ctx, s, s.target(t), b.scale.idle)
		s.end()
		if err != nil {
			return err
		}
		b.keep(b.results.baseline, "idle "+string(t)+" bytes", r.Bytes, s.name, r)
		b.also(b.results.baseline, "connect "+string(t), r.Connect)
	}
	return nil
}

func (b *bench) also(of map[string][]float64, key string, value float64) {
	of[key] = append(of[key], value)
}

func (b *bench) stay(ctx context.Context, s *server, to crowd.Target, n int) (idle, error) {
	c, err := crowd.New(crowd.Config{Target: to, Ready: s.ready, Workers: workers})
	if err != nil {
		return idle{}, err
	}
	defer c.Close()
	return measureIdle(ctx, s, c, n, b.settle)
}
