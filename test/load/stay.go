package main

import (
	"context"

	"weft/test/load/crowd"
)

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
	c, err := crowd.New(crowd.Config{Target: to, Ready: s.ready, Workers: workers()})
	if err != nil {
		return idle{}, err
	}
	defer c.Close()
	return measureIdle(ctx, s, c, n, b.settle)
}
