package main

import (
	"context"
	"fmt"

	"weft/test/load/crowd"
)

// A scenario is something that is measured in each round.
type scenario struct {
	name string
	once bool // in the first round only
	full bool // not in the quick form, unless -only names it
	run  func(*bench, context.Context) error
}

// scenarios are in the order in which they run. Weft and the baseline take turns,
// so that both see the same machine.
var scenarios = []scenario{
	{name: "fan-out sse", run: func(b *bench, ctx context.Context) error { return b.fanOuts(ctx, crowd.SSE) }},
	{name: "fan-out websocket", run: func(b *bench, ctx context.Context) error { return b.fanOuts(ctx, crowd.WebSocket) }},
	{name: "unicast", run: (*bench).unicast},
	{name: "idle sse", run: func(b *bench, ctx context.Context) error { return b.idleWeft(ctx, crowd.SSE) }},
	{name: "idle websocket", run: func(b *bench, ctx context.Context) error { return b.idleWeft(ctx, crowd.WebSocket) }},
	{name: "idle baseline", once: true, full: true, run: (*bench).idleBaseline},
	{name: "tls fan-out", full: true, run: (*bench).secureFanOuts},
	{name: "tls idle", once: true, full: true, run: (*bench).secureIdle},
	growth("subscribers", (*bench).growSubscribers),
	growth("users", (*bench).growUsers),
	growth("connections-per-user", (*bench).growConnections),
	growth("subjects", (*bench).growSubjects),
	growth("nodes", (*bench).growNodes),
	growth("memory", (*bench).growMemory),
}

// topic is what fan-outs go to.
const topic = "topic.load"

// workers is how many epoll sets a crowd has. More would wake up the more often,
// which the server pays for over loopback.
const workers = 1

// Followers of a topic: with the inbox that a token brings, which is the default, and without.
var (
	besideInbox = weftOptions{query: "?subject=" + topic}
	topicAlone  = weftOptions{subscribe: topic}
)

// fanOuts measures one topic with many followers, at the baseline and at Weft: followers that
// have their user's inbox, too, and right after that others that have the topic alone.
func (b *bench) fanOuts(ctx context.Context, t crowd.Transport) error {
	for _, size := range []struct {
		name string
		n    int
	}{{"small", b.small}, {"large", b.large}} {
		for _, inFlight := range []int{1, 8} {
			if err := b.fanOutsOf(ctx, t, size.n, inFlight, fmt.Sprintf("%s %s %d", t, size.name, inFlight)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) fanOutsOf(ctx context.Context, t crowd.Transport, n, inFlight int, of string) error {
	base, err := b.baselineFanOut(ctx, t, n, inFlight)
	if err != nil {
		return err
	}
	beside, err := b.weftFanOut(ctx, besideInbox, t, n, inFlight)
	if err != nil {
		return err
	}
	alone, err := b.weftFanOut(ctx, topicAlone, t, n, inFlight)
	if err != nil {
		return err
	}
	b.keep(b.results.baseline, "fan-out "+of, base.PerDelivery(), "baseline", base)
	b.keep(b.results.weft, "fan-out "+of, beside.PerDelivery(), "weft", beside)
	b.keep(b.results.weft, "topic alone "+of, alone.PerDelivery(), "weft", alone)
	b.count(beside.Report)
	b.count(alone.Report)
	b.results.baseline["topic alone "+of] = b.results.baseline["fan-out "+of]
	b.results.weft["shape "+of], b.results.baseline["shape "+of] = b.results.weft["fan-out "+of], b.results.weft["topic alone "+of]
	return nil
}

func (b *bench) weftFanOut(ctx context.Context, o weftOptions, t crowd.Transport, n, inFlight int) (cost, error) {
	s, err := startWeft(ctx, b.weft, o)
	if err != nil {
		return cost{}, err
	}
	defer s.end()
	return b.flow(ctx, s, crowd.Config{Target: s.target(t), Ready: s.ready}, n,
		flow{subjects: 1, inFlight: inFlight}, s.publish+"/"+topic)
}

func (b *bench) baselineFanOut(ctx context.Context, t crowd.Transport, n, inFlight int) (cost, error) {
	s, err := startBaseline(ctx, b.baseline)
	if err != nil {
		return cost{}, err
	}
	defer s.end()
	return b.flow(ctx, s, crowd.Config{Target: s.target(t)}, n, flow{subjects: 1, inFlight: inFlight}, s.publish)
}

// unicastInFlight saturates: there is always something to store.
const unicastInFlight = 2000

// unicast sends events to users in turn, each with one connection.
func (b *bench) unicast(ctx context.Context) error {
	s, err := startWeft(ctx, b.weft, weftOptions{})
	if err != nil {
		return err
	}
	defer s.end()
	c, err := b.toUsers(ctx, s, b.users, 1)
	if err != nil {
		return err
	}
	b.keep(b.results.weft, "unicast", c.PerEvent(), "weft", c)
	b.count(c.Report)
	return nil
}

// toUsers sends events to users with so many SSE connections each.
func (b *bench) toUsers(ctx context.Context, s *server, users, each int) (cost, error) {
	target := s.sse
	target.User = func(i int) string { return userName(i % users) }
	config := crowd.Config{Target: target, Ready: s.ready, Subject: func(i int) uint32 { return uint32(i % users) }}
	f := flow{subjects: users, inFlight: unicastInFlight}
	if users == 1 {
		f.inFlight = crowd.MaxInFlight
	}
	return b.flow(ctx, s, config, users*each, f, s.publish+"/user.{user}")
}

// flow connects a crowd to a server and measures the flow to it.
func (b *bench) flow(ctx context.Context, s *server, config crowd.Config, n int, f flow, publish string) (cost, error) {
	config.Workers = workers
	c, err := crowd.New(config)
	if err != nil {
		return cost{}, err
	}
	defer c.Close()
	if err := c.Grow(ctx, n); err != nil {
		return cost{}, err
	}
	if f.to, err = openPublisher(publish); err != nil {
		return cost{}, err
	}
	defer f.to.close()
	f.crowd, f.pids, f.size = c, s.pids, b.payload
	return f.measure(ctx, b.scale.flow)
}

// keep keeps a value and says what it came from.
func (b *bench) keep(of map[string][]float64, key string, value float64, who string, from fmt.Stringer) {
	of[key] = append(of[key], value)
	b.say("round %d  %-25s %-8s  %s", b.round, key, who, from)
}

// count adds the faults of a run.
func (b *bench) count(r crowd.Report) {
	b.faults += r.Faults()
	b.measured = true
}
