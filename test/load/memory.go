package main

import (
	"context"
	"slices"

	"weft/test/load/crowd"
	"weft/test/load/plot"
)

// growMemory is the private memory of an idle connection by how many there are. How
// far its values lie apart is a figure of the table, and so is what one more costs,
// which does not hold what the first of all cost.
func (b *bench) growMemory(ctx context.Context) (plot.Chart, error) {
	line := plot.Line{Name: "Weft"}
	s, err := startWeft(ctx, b.weft, weftOptions{})
	if err != nil {
		return plot.Chart{}, err
	}
	defer s.end()
	c, err := crowd.New(crowd.Config{Target: s.sse, Ready: s.ready, Workers: workers})
	if err != nil {
		return plot.Chart{}, err
	}
	defer c.Close()
	none, err := settled(ctx, s.pids, b.settle)
	if err != nil {
		return plot.Chart{}, err
	}
	var each, more []float64
	for i, n := range b.spread {
		if err := c.Grow(ctx, n); err != nil {
			return plot.Chart{}, err
		}
		all, err := settled(ctx, s.pids, b.settle)
		if err != nil {
			return plot.Chart{}, err
		}
		each = append(each, float64(all.private-none.private)/float64(n))
		if i > 0 {
			before := each[i-1] * float64(b.spread[i-1])
			more = append(more, (each[i]*float64(n)-before)/float64(n-b.spread[i-1]))
		}
		b.point(&line, n, each[i], "connections", bytesEach(each[i]))
	}
	b.also(b.results.weft, "growth each", spread(each))
	b.also(b.results.weft, "growth more", spread(more))
	b.count(c.Report(func(uint32) uint32 { return 0 }))
	return plot.Chart{
		Title: "Private memory of an idle connection, SSE", Y: "bytes", X: "connections", Lines: []plot.Line{line},
	}, nil
}

// spread is how far values lie apart, in per cent of the greatest.
func spread(values []float64) float64 {
	most := slices.Max(values)
	return (most - slices.Min(values)) / most * 100
}

type bytesEach float64

func (v bytesEach) String() string { return number(float64(v), 0, "B") + " each" }
