package clientchaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// dropped drops the browser's packets, of connections that are open, too, without a word to
// anybody, for longer than a page may take to notice.
func dropped(d stage.Direction) Fault {
	return Fault{Name: "packets dropped (" + d.String() + ")", Apply: func(ctx context.Context, w *World) error {
		return w.blackHole(ctx, d, length(silence+time.Second, pollSilence+5*time.Second))
	}}
}

func (w *World) blackHole(ctx context.Context, d stage.Direction, lasting time.Duration) error {
	c := Cut{From: time.Now()}
	defer w.Host.Heal()
	if err := w.Host.Cut(d, stage.All); err != nil {
		return err
	}
	err := waitfor.Time(ctx, lasting)
	c.To = time.Now()
	w.Cuts = append(w.Cuts, c)
	return err
}

// forgotten drops the packets of all connections that there are, and lets new ones through.
var forgotten = Fault{Name: "connections forgotten", Apply: func(ctx context.Context, w *World) error {
	defer w.Host.Heal()
	c := Cut{From: time.Now(), Old: true}
	if err := w.Host.Forget(); err != nil {
		return err
	}
	after := w.Load.Last(busy) + 1
	err := w.awaitFor(ctx, 3*time.Minute, w.Pages, func(p *Page) string {
		if p.last[busy] < after {
			return fmt.Sprintf("it is %s and has nothing new", p.shown().State)
		}
		return ""
	})
	c.To = time.Now()
	w.Cuts = append(w.Cuts, c)
	for _, p := range w.Pages {
		for _, e := range p.log {
			if e.What == "event" && e.Subject == busy && e.N >= after {
				w.Log("%s has events again after %v", p.Name, e.time().Sub(c.From).Round(100*time.Millisecond))
				break
			}
		}
	}
	return err
}}

// unplugged takes the browser's link down, which the browser notices.
var unplugged = Fault{Name: "link down", Apply: func(ctx context.Context, w *World) error {
	c := Cut{From: time.Now(), Told: true}
	if err := w.Host.Unplug(); err != nil {
		return err
	}
	err := waitfor.Time(ctx, length(2*time.Second, 15*time.Second))
	c.To = time.Now()
	w.Cuts = append(w.Cuts, c)
	return errors.Join(err, w.Host.Plug())
}}

// offline is the switch of the developer tools.
var offline = Fault{Name: "browser offline", Apply: func(ctx context.Context, w *World) error {
	for _, p := range w.Pages {
		p.Tab.Offline(true)
	}
	err := waitfor.Time(ctx, 10*time.Second)
	for _, p := range w.Pages {
		p.Tab.Offline(false)
	}
	return err
}}

// shortCuts are cuts that are over before anybody has noticed, or just then.
var shortCuts = Fault{Name: "short cuts", Apply: func(ctx context.Context, w *World) error {
	for range 8 {
		if err := w.blackHole(ctx, stage.Direction(1+rand.IntN(int(stage.Both))), rand.N(2*silence)); err != nil {
			return err
		}
		if err := waitfor.Time(ctx, rand.N(3*time.Second)); err != nil {
			return err
		}
	}
	return nil
}}

// storm does what comes, one thing on the heels of the other.
var storm = Fault{Name: "storm", Nodes: true, Apply: func(ctx context.Context, w *World) error {
	for range 8 {
		var err error
		switch rand.IntN(5) {
		case 0:
			err = killed.Apply(ctx, w)
		case 1:
			err = w.blackHole(ctx, stage.Both, rand.N(2*silence))
		case 2:
			w.Balancer.Restart(ctx)
		case 3:
			w.Balancer.Reload(ctx)
		case 4:
			err = oneFrozen.Apply(ctx, w)
		}
		if err != nil {
			return err
		}
		if err := waitfor.Time(ctx, rand.N(2*time.Second)); err != nil {
			return err
		}
	}
	return nil
}}

// awayTooLong keeps the pages away while more is published to one subject than is kept.
var awayTooLong = Fault{Name: "away beyond retention", Apply: func(ctx context.Context, w *World) error {
	w.Resets = append(w.Resets, flooded)
	if err := w.Host.Unplug(); err != nil {
		return err
	}
	err := waitfor.Time(ctx, 500*time.Millisecond) // what was on its way is lost
	if err == nil {
		err = w.Load.Flood(ctx, flooded, perSubject()+50)
	}
	return errors.Join(err, w.Host.Plug())
}}
