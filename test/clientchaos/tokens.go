package clientchaos

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"weft/config/testkit/waitfor"
)

// withoutTokens keeps new tokens from all pages until the old ones have ended.
var withoutTokens = Fault{Name: "no tokens", Apply: func(ctx context.Context, w *World) error {
	w.Site.Down.Store(true)
	defer w.Site.Down.Store(false)
	return waitfor.Time(ctx, tokenLife()+10*time.Second)
}}

// revoked takes from visitors of their own what they may see: each of their pages is closed,
// says why, and stays away, though it could have a new token.
var revoked = Fault{Name: "token revoked", Apply: func(ctx context.Context, w *World) error {
	guests, err := w.guests(ctx, nil)
	if err != nil {
		return err
	}
	for user := range users(guests) {
		if err := w.admin(ctx, http.MethodPut, "blacklist/user."+user); err != nil {
			return err
		}
	}
	return w.awaitClosed(ctx, guests, "revoked")
}}

// expired lets the tokens of visitors end who have no other.
var expired = Fault{Name: "token expired", Apply: func(ctx context.Context, w *World) error {
	guests, err := w.guests(ctx, url.Values{"token": {token(w.t, w.guestName(), 20*time.Second)}})
	if err != nil {
		return err
	}
	return w.awaitClosed(ctx, guests, "expired")
}}

// guestName names a visitor who was not here before.
func (w *World) guestName() string {
	w.visitors++
	return fmt.Sprintf("guest%d", w.visitors)
}

// guests opens pages over each transport, and shared ones, each of a user of its own unless
// there is a token for all of them.
func (w *World) guests(ctx context.Context, more url.Values) ([]*Page, error) {
	var guests []*Page
	for _, s := range []Setting{{Transport: "websocket", By: balancerTLS}, {Transport: "sse"}, {Transport: "poll", By: balancerTLS}, {Transport: "websocket", Shared: true}} {
		tabs := 1
		if s.Shared {
			tabs = 2
		}
		guests = append(guests, w.Open(s, w.guestName(), tabs, more)...)
	}
	return guests, w.await(ctx, guests, func(p *Page) string {
		if p.last[busy] == 0 && p.shown().State != "closed" {
			return "it has seen nothing"
		}
		return ""
	})
}

// awaitClosed waits until pages are closed for a reason, and sees that nothing comes to them
// any more. Then it closes their tabs.
func (w *World) awaitClosed(ctx context.Context, guests []*Page, reason string) error {
	err := w.await(ctx, guests, func(p *Page) string {
		if s := p.shown(); s.State != "closed" || !strings.Contains(s.Text, reason) {
			return fmt.Sprintf("it is %q (%s), and should be closed, %s", s.State, s.Text, reason)
		}
		return ""
	})
	if err != nil {
		return err
	}
	if err := waitfor.Time(ctx, length(time.Second, 5*time.Second)); err != nil {
		return err
	}
	for _, p := range guests {
		if err := p.pull(); err != nil {
			return err
		}
		over := false
		for _, e := range p.log {
			if over && (e.What == "event" || e.What == "state") {
				return fmt.Errorf("%s was closed, %s, and then: %s %s %s %d", p.Name, reason, e.What, e.State, e.Subject, e.N)
			}
			if e.What == "error" {
				return fmt.Errorf("%s: %s", p.Name, e.Text)
			}
			over = over || e.State == "closed"
		}
		p.Tab.Shut()
	}
	return nil
}

// await pulls the logs of pages until nothing is missing, for a minute at most.
func (w *World) await(ctx context.Context, pages []*Page, missing func(*Page) string) error {
	return w.awaitFor(ctx, time.Minute, pages, missing)
}

func (w *World) awaitFor(ctx context.Context, limit time.Duration, pages []*Page, missing func(*Page) string) error {
	end := time.Now().Add(limit)
	for _, p := range pages {
		for {
			if err := p.pull(); err != nil {
				return err
			}
			why := missing(p)
			if why == "" {
				break
			}
			if time.Now().After(end) {
				w.tell(p, Verdict{Faults: []string{why}})
				return fmt.Errorf("%s: %s", p.Name, why)
			}
			if err := waitfor.Time(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

func users(pages []*Page) map[string]bool {
	all := map[string]bool{}
	for _, p := range pages {
		all[p.User] = true
	}
	return all
}

// admin asks a node, until it answers that it is done.
func (w *World) admin(ctx context.Context, method, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for i := 0; ; i++ {
		n := w.Nodes[i%len(w.Nodes)]
		r, err := http.NewRequestWithContext(ctx, method, n.AdminURL()+"/_weft/v1/"+path, nil)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+n.AdminToken())
		answer, err := asker.Do(r)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode < 300 {
				return nil
			}
			err = fmt.Errorf("status %d", answer.StatusCode)
		}
		if waitfor.Time(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
}
