package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"weft/test/load/crowd"
	"weft/test/load/plot"
)

// growth is a scenario that draws how something grows with what.
func growth(what string, chart func(*bench, context.Context) (plot.Chart, error)) scenario {
	return scenario{name: "growth " + what, once: true, full: true, run: func(b *bench, ctx context.Context) error {
		c, err := chart(b, ctx)
		if err != nil || b.plots == "" {
			return err
		}
		return write(c, filepath.Join(b.plots, what+".png"))
	}}
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
	weft, alone, plain := plot.Line{Name: "Weft"}, plot.Line{Name: "the topic alone"}, plot.Line{Name: "plain net/http"}
	for n := 10; n <= b.large; n *= 10 {
		base, err := b.baselineFanOut(ctx, crowd.SSE, n, 8)
		if err != nil {
			return plot.Chart{}, err
		}
		b.point(&plain, n, base.PerDelivery(), "subscribers", base)
		for line, o := range map[*plot.Line]weftOptions{&weft: besideInbox, &alone: topicAlone} {
			c, err := b.weftFanOut(ctx, o, crowd.SSE, n, 8)
			if err != nil {
				return plot.Chart{}, err
			}
			b.point(line, n, c.PerDelivery(), "subscribers", c)
			b.count(c.Report)
		}
	}
	return plot.Chart{
		Title: "Processor time of a delivery, one topic, eight in flight", Y: "microseconds",
		X: "subscribers of the topic", Lines: []plot.Line{weft, alone, plain},
	}, nil
}

// growUsers is the cost of an event by the number of users, and so of subjects.
func (b *bench) growUsers(ctx context.Context) (plot.Chart, error) {
	line := plot.Line{Name: "Weft"}
	for n := 10; n <= b.large; n *= 10 {
		if err := b.usersPoint(ctx, &line, weftOptions{}, n, 1, n, "users"); err != nil {
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
		if err := b.usersPoint(ctx, &line, weftOptions{}, max(2, b.users/each), each, each, "connections per user"); err != nil {
			return plot.Chart{}, err
		}
	}
	return plot.Chart{
		Title: "Processor time of an event to one user, stored and delivered", Y: "microseconds",
		X: "connections of the user", Lines: []plot.Line{line},
	}, nil
}

func (b *bench) usersPoint(ctx context.Context, line *plot.Line, o weftOptions, users, each, x int, what string) error {
	s, err := startWeft(ctx, b.weft, o)
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

// growNodes is the cost of an event by the number of nodes, at all of them together:
// each has its part of the users, the publisher talks to the first.
func (b *bench) growNodes(ctx context.Context) (plot.Chart, error) {
	line := plot.Line{Name: "Weft"}
	for _, n := range b.nodes {
		if err := b.usersPoint(ctx, &line, weftOptions{nodes: n}, b.users, 1, n, "nodes"); err != nil {
			return plot.Chart{}, err
		}
	}
	return plot.Chart{
		Title: "Processor time of an event to one user, all nodes together", Y: "microseconds",
		X: "nodes (1: one copy, else three)", Lines: []plot.Line{line},
	}, nil
}

// growSubjects is the cost of a delivery by how many topics each connection follows.
// Events go to all of them in turn: cursors hold the more the more topics have news.
func (b *bench) growSubjects(ctx context.Context) (plot.Chart, error) {
	line := plot.Line{Name: "Weft"}
	for _, n := range b.topics {
		query := url.Values{}
		for i := 1; i < n; i++ {
			query.Add("subject", fmt.Sprintf("%s.%d", topic, i))
		}
		s, err := startWeft(ctx, b.weft, weftOptions{subscribe: topic + ".0", query: "?" + query.Encode()})
		if err != nil {
			return plot.Chart{}, err
		}
		c, err := b.flow(ctx, s, crowd.Config{Target: s.sse, Ready: s.ready}, b.small,
			flow{subjects: 1, topics: n, inFlight: 8}, s.publish+"/"+topic+".{i}")
		s.end()
		if err != nil {
			return plot.Chart{}, err
		}
		if n > 1 {
			c.Report.Overtaken = 0 // order is promised within a topic, and numbers are of all
		}
		b.point(&line, n, c.PerDelivery(), "subjects", c)
		b.count(c.Report)
	}
	return plot.Chart{
		Title: fmt.Sprintf("Processor time of a delivery, %d subscribers, eight in flight", b.small), Y: "microseconds",
		X: "subjects that a connection follows", Lines: []plot.Line{line},
	}, nil
}

// point adds a point to a line and says what it came from.
func (b *bench) point(l *plot.Line, x int, y float64, what string, from fmt.Stringer) {
	l.Points = append(l.Points, plot.Point{X: float64(x), Y: y})
	b.say("growth   %-25s %-8s  %s", fmt.Sprintf("%d %s", x, what), l.Name, from)
}
