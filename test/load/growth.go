package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"weft/test/load/crowd"
	"weft/test/load/plot"
)

// growth measures how cost grows with what there is more of, and draws it.
func (b *bench) growth(ctx context.Context) error {
	for _, grow := range []struct {
		file  string
		chart func(context.Context) (plot.Chart, error)
	}{
		{"subscribers.png", b.growSubscribers},
		{"users.png", b.growUsers},
		{"connections-per-user.png", b.growConnections},
		{"memory.png", b.growMemory},
	} {
		chart, err := grow.chart(ctx)
		if err != nil {
			return err
		}
		if b.plots == "" {
			continue
		}
		if err := write(chart, filepath.Join(b.plots, grow.file)); err != nil {
			return err
		}
	}
	return nil
}

func write(c plot.Chart, file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := c.Write(out); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// growSubscribers is the cost of a delivery by the number of followers of a topic.
func (b *bench) growSubscribers(ctx context.Context) (plot.Chart, error) {
	weft, plain := plot.Line{Name: "Weft"}, plot.Line{Name: "plain net/http"}
	for n := 10; n <= b.large; n *= 10 {
		base, err := b.baselineFanOut(ctx, crowd.SSE, n, 8)
		if err != nil {
			return plot.Chart{}, err
		}
		b.point(&plain, n, base.PerDelivery(), "subscribers", base)
		c, err := b.weftFanOut(ctx, weftOptions{subscribe: topic}, crowd.SSE, n, 8)
		if err != nil {
			return plot.Chart{}, err
		}
		b.point(&weft, n, c.PerDelivery(), "subscribers", c)
		b.count(c.Report)
	}
	return plot.Chart{
		Title: "Processor time of a delivery, one topic, eight in flight", Y: "microseconds",
		X: "subscribers of the topic", Lines: []plot.Line{weft, plain},
	}, nil
}

// growUsers is the cost of an event by the number of users, and so of subjects.
func (b *bench) growUsers(ctx context.Context) (plot.Chart, error) {
	line := plot.Line{Name: "Weft"}
	for n := 10; n <= b.large; n *= 10 {
		if err := b.usersPoint(ctx, &line, n, 1, n, "users"); err != nil {
			return plot.Chart{}, err
		}
	}
	return plot.Chart{
		Title: "Processor time of an event to one user, stored and delivered", Y: "microseconds",
		X: "users, a connection each", Lines: []plot.Line{line},
	}, nil
}

// growConnections is the cost of an event by how many connections its user has.
func (b *bench) growConnections(ctx context.Context) (plot.Chart, error) {
	line := plot.Line{Name: "Weft"}
	for _, each := range []int{1, 2, 5, 10, 20} {
		if err := b.usersPoint(ctx, &line, max(2, b.users/each), each, each, "connections per user"); err != nil {
			return plot.Chart{}, err
		}
	}
	return plot.Chart{
		Title: "Processor time of an event to one user, stored and delivered", Y: "microseconds",
		X: "connections of the user", Lines: []plot.Line{line},
	}, nil
}

func (b *bench) usersPoint(ctx context.Context, line *plot.Line, users, each, x int, what string) error {
	s, err := startWeft(ctx, b.weft, weftOptions{})
	if err != nil {
		return err
	}
	defer s.end()
	c, err := b.toUsers(ctx, s, users, each)
	if err != nil {
		return err
	}
	b.point(line, x, c.PerEvent(), what, c)
	b.count(c.Report)
	return nil
}

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
	none, err := settled(ctx, s.pid, b.settle)
	if err != nil {
		return plot.Chart{}, err
	}
	var each, more []float64
	for i, n := range b.spread {
		if err := c.Grow(ctx, n); err != nil {
			return plot.Chart{}, err
		}
		all, err := settled(ctx, s.pid, b.settle)
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

// point adds a point to a line and says what it came from.
func (b *bench) point(l *plot.Line, x int, y float64, what string, from fmt.Stringer) {
	l.Points = append(l.Points, plot.Point{X: float64(x), Y: y})
	b.say("growth   %-25s %-8s  %s", fmt.Sprintf("%d %s", x, what), l.Name, from)
}
