package access

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"weft/test/client"
)

// ask only asks, for a few subjects near to what somebody is granted: a poll without an id
// is answered at once.
func (w *world) ask() {
	p := w.someone()
	w.step("ask", "%v", p)
	for range 8 {
		s := pick(w, wishes)
		switch {
		case w.chance(40): // the back end says yes to some, and to others no
			s = pick(w, []string{"topic.asked.a", "topic.asked.b", "topic.asked.c"})
		case len(p.allowed) > 0 && w.chance(80):
			s = w.beside(pick(w, p.allowed))
		}
		allowed := p.may(s) && !w.revoked.cuts(p)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		_, err := client.PollOnce(ctx, client.Target{URL: w.node().URL(), Token: p.token, Query: url.Values{"subject": {s}}})
		cancel()
		if (err == nil) != allowed {
			w.failf("%v asks for %s: %v, allowed: %v", p, s, err, allowed)
		}
		if strings.HasPrefix(s, "topic.asked.") && !isWild(s) && w.chance(50) { // which is another question
			w.say(p, nil, s)
		}
	}
}

// me compares what somebody is told of their grants with the model.
func (w *world) me() {
	p := w.someone()
	w.step("me", "%v", p)
	status, answer, err := exchange(http.MethodGet, w.node().URL()+"/_weft/v1/me", p.token, "", nil)
	if err != nil {
		w.failf("me: %v", err)
	}
	if w.revoked.cuts(p) {
		if status != http.StatusForbidden {
			w.failf("%v was revoked, and is told %d %s", p, status, answer)
		}
		return
	}
	var got struct {
		User, Session             string
		Subscribe, Allow, Publish []string
		Check                     bool
	}
	same := func(a, b []string) bool {
		return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
	}
	if err := json.Unmarshal(answer, &got); err != nil || got.User != p.user || got.Session != p.session || got.Check != (p.token != "") ||
		!same(got.Subscribe, p.brings) || !same(got.Allow, p.allowed) || !same(got.Publish, p.publishes) {
		w.failf("%v is told %d %s; want %v, %v and %v", p, status, answer, p.brings, p.allowed, p.publishes)
	}
}
