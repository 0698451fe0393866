package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
)

// toldFaults is how many faults are printed.
const toldFaults = 20

// maxAway is for how long a visitor is away at most.
const maxAway = 5 * time.Second

// A visitor comes, stays for a while, goes and comes back with the last id that it has
// seen, over the same transport, to any node.
type visitor struct {
	tally  *tally
	number int
	user   string
	hosts  []string
	token  func(user string) string
	stay   time.Duration

	id   string
	last int // number of the last event; -1: none
}

func (v *visitor) run(ctx context.Context) {
	v.last = -1
	for waitfor.Time(ctx, rand.N(maxAway)) == nil {
		if err := v.visit(ctx); err != nil && ctx.Err() == nil {
			v.tally.failed.Add(1)
			v.fault(fmt.Errorf("visitor %d: %w", v.number, err))
		}
	}
}

// visit is one stay. A gateway that is full sends visitors away in good order.
func (v *visitor) visit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.ExpFloat64()*float64(v.stay)))
	defer cancel()
	kind := client.Transports[v.number%len(client.Transports)]
	stream, err := client.Open(ctx, kind, client.Target{URL: "http://" + v.hosts[rand.N(len(v.hosts))], Token: v.token(v.user), LastID: v.id})
	if err != nil {
		return v.over(ctx, err)
	}
	defer stream.Close()
	v.tally.came.Add(1)
	v.tally.open.Add(1)
	defer v.tally.open.Add(-1)
	for {
		e, err := stream.Next()
		if err != nil {
			return v.over(ctx, err)
		}
		if e.ID != "" {
			v.id = e.ID
		}
		switch e.Type {
		case client.TypeReset:
			v.tally.resets.Add(1)
			v.fault(fmt.Errorf("visitor %d was told that history is gone: %s", v.number, e.Data))
		case client.TypeClose:
			return nil
		case "":
			v.take(e.Data)
		}
	}
}

// over is nil when a visit ended because its time was over, or because the gateway asks to
// come back later.
func (v *visitor) over(ctx context.Context, err error) error {
	var status *client.StatusError
	deadline, _ := ctx.Deadline() // a socket may hear of it before the context does
	if ctx.Err() != nil || time.Until(deadline) <= 0 || errors.As(err, &status) && status.Status == 503 {
		return nil
	}
	return err
}

// take looks whether an event is the next one.
func (v *visitor) take(data []byte) {
	var event struct{ Number int }
	if err := json.Unmarshal(data, &event); err != nil {
		v.fault(fmt.Errorf("visitor %d cannot read %q: %w", v.number, data, err))
		v.tally.failed.Add(1)
		return
	}
	v.tally.events.Add(1)
	switch {
	case v.last >= 0 && event.Number <= v.last:
		v.tally.doubled.Add(1)
		v.fault(fmt.Errorf("visitor %d got number %d after %d", v.number, event.Number, v.last))
	case v.last >= 0 && event.Number > v.last+1:
		v.tally.lost.Add(int64(event.Number - v.last - 1))
		v.fault(fmt.Errorf("visitor %d got number %d after %d", v.number, event.Number, v.last))
	}
	v.last = max(v.last, event.Number)
}

// fault keeps the first one, and prints the first few.
func (v *visitor) fault(err error) {
	v.tally.mu.Lock()
	defer v.tally.mu.Unlock()
	if v.tally.err == nil {
		v.tally.err = err
	}
	if v.tally.told++; v.tally.told <= toldFaults {
		fmt.Fprintln(v.tally.out, err)
	}
}
