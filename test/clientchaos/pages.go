package clientchaos

import (
	"context"
	"math/rand/v2"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// frozen freezes all pages for longer than a page may hear nothing.
var frozen = Fault{Name: "pages frozen", Apply: func(ctx context.Context, w *World) error {
	return w.freeze(ctx, w.Pages, length(3*time.Second, 20*time.Second))
}}

// oneFrozen freezes one of the tabs that share a connection, be it the one that has it.
var oneFrozen = Fault{Name: "one tab frozen", Apply: func(ctx context.Context, w *World) error {
	var first, others []*Page
	for _, tabs := range w.groups() {
		first, others = append(first, tabs[0]), append(others, tabs[1:]...)
	}
	if err := w.freeze(ctx, first, length(silence+time.Second/2, silence+rand.N(10*time.Second))); err != nil || !atLength() {
		return err
	}
	return w.freeze(ctx, others, silence+rand.N(10*time.Second))
}}

func (w *World) freeze(ctx context.Context, pages []*Page, lasting time.Duration) error {
	for _, p := range pages {
		p.Tab.Freeze(true)
	}
	err := waitfor.Time(ctx, lasting)
	for _, p := range pages {
		p.Tab.Freeze(false)
	}
	return err
}

// hidden hides all pages until their timers run once a minute at most, and tokens have ended
// several times: each is renewed in time. For a while nothing comes through then.
var hidden = Fault{Name: "pages hidden", Apply: func(ctx context.Context, w *World) error {
	for _, p := range w.Pages {
		p.Tab.Hide(true)
	}
	err := waitfor.Time(ctx, 2*time.Minute)
	for _, p := range w.Pages {
		if err != nil {
			break
		}
		err = p.pull()
		for _, e := range p.log {
			if e.What == "state" && e.State != "open" {
				w.Log("%s, hidden, was told %s: %s", p.Name, e.State, e.Text)
			}
		}
	}
	if err == nil {
		err = w.blackHole(ctx, stage.Both, pollSilence+5*time.Second)
	}
	for _, p := range w.Pages {
		p.Tab.Hide(false)
	}
	return err
}}

// asleep stops the browser as a lid does that is shut, and the network with it: a node gives
// the clients up meanwhile, and nobody tells them.
var asleep = Fault{Name: "laptop asleep", Apply: func(ctx context.Context, w *World) error {
	if err := w.Host.Pause(); err != nil {
		return err
	}
	err := w.Host.Cut(stage.Both, stage.All)
	if err == nil {
		err = waitfor.Time(ctx, length(3*time.Second, 20*time.Second))
	}
	w.Host.Heal()
	if e := w.Host.Resume(); e != nil {
		return e
	}
	return err
}}

// closed closes a tab of those that share, and opens another one beside the other.
var closed = Fault{Name: "tab closed", Apply: func(ctx context.Context, w *World) error {
	for _, tabs := range w.groups() {
		if len(tabs) > 1 {
			p := tabs[rand.IntN(len(tabs))]
			p.Tab.Shut()
			p.open()
		}
	}
	return nil
}}

// reloaded loads one tab of each setting again.
var reloaded = Fault{Name: "page reloaded", Apply: func(ctx context.Context, w *World) error {
	for _, tabs := range w.groups() {
		p := tabs[rand.IntN(len(tabs))]
		p.Tab.Visit(p.where)
		p.begin()
	}
	return nil
}}

// groups are the pages of each user.
func (w *World) groups() (groups [][]*Page) {
	for i, p := range w.Pages {
		if i == 0 || w.Pages[i-1].User != p.User {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], p)
	}
	return groups
}
