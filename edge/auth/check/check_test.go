package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weft/config/testkit/waitfor"
	"weft/edge/auth"
	"weft/edge/problem"
)

func TestTheBackEndDecidesWhatNoTemplateAllows(t *testing.T) {
	d := open(t, nil)
	ann := d.identity("ann", map[string]any{"jti": "s1", "tier": "gold"})
	d.want("what a template allows", d.MayFollow(t.Context(), ann, "topic.free.a"), "")
	d.want("what every connection has", d.MayFollow(t.Context(), ann, "user.ann"), "")
	d.want("publishing that a template allows", d.MayPublish(t.Context(), ann, "topic.free.a"), "")
	d.wantAsked("what templates allow", 0)
	d.want("a yes", d.MayFollow(t.Context(), ann, "topic.yes"), "")
	d.want("a no", d.MayFollow(t.Context(), ann, "topic.no"), problem.Forbidden)
	d.want("a no to publishing", d.MayPublish(t.Context(), ann, "topic.no"), problem.Forbidden)
	d.want("a yes to publishing", d.MayPublish(t.Context(), ann, "topic.yes"), "")
	d.want("presence", d.MayFollow(t.Context(), ann, "presence.topic.yes"), "")
	d.want("another's inbox", d.MayFollow(t.Context(), ann, "user.bob"), problem.Forbidden)
	var asked []string
	for _, q := range d.questions() {
		var claims struct{ Sub, Tier string }
		if err := json.Unmarshal(q.Claims, &claims); err != nil || claims.Sub != "ann" || claims.Tier != "gold" || q.User != "ann" || q.Session != "s1" {
			t.Errorf("it was asked %+v with %s", q, q.Claims)
		}
		asked = append(asked, string(q.Action)+" "+q.Subject)
	}
	want := "subscribe topic.yes, subscribe topic.no, publish topic.no, publish topic.yes, subscribe presence.topic.yes, subscribe user.bob"
	if got := strings.Join(asked, ", "); got != want {
		t.Errorf("it was asked %s, want %s", got, want)
	}
}

func TestWildcardsStrangersAndWhatIsNoSubjectAreNeverAskedAbout(t *testing.T) {
	d := open(t, nil)
	d.says(func(question) int { return 200 })
	ann, nobody := d.identity("ann", nil), &auth.Identity{}
	for _, s := range []string{"user.*", "topic.>", "topic.*.yes", "presence.*", "presence.topic.>", "topic.a@b", "topic.", "", "tick.n1", "out.topic.yes", "user.a.b", "presence.", "$SYS.yes"} {
		d.want(s, d.MayFollow(t.Context(), ann, s), problem.Forbidden)
		d.want("publishing to "+s, d.MayPublish(t.Context(), ann, s), problem.Forbidden)
	}
	d.want("publishing presence", d.MayPublish(t.Context(), ann, "presence.topic.yes"), problem.Forbidden)
	d.want("a visitor", d.MayFollow(t.Context(), nobody, "topic.yes"), problem.Forbidden)
	d.want("a user that is not UTF-8", d.MayFollow(t.Context(), &auth.Identity{User: "a\xff"}, "topic.yes"), problem.Forbidden)
	d.wantAsked("nothing of it", 0)
	if d.Asks("") || !d.Asks("ann") {
		t.Error("who is asked about is wrong")
	}
}

func TestVisitorsAreAskedAboutWhereThatWasConfigured(t *testing.T) {
	d := open(t, func(c *auth.CheckConfig) { c.Anonymous = true })
	v, err := auth.New(d.cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	nobody, ok := v.Anonymous()
	if !ok {
		t.Fatal("visitors are not let in")
	}
	d.want("a yes", d.MayFollow(t.Context(), nobody, "topic.yes"), "")
	d.want("a no", d.MayFollow(t.Context(), nobody, "topic.no"), problem.Forbidden)
	d.want("publishing", d.MayPublish(t.Context(), nobody, "topic.yes"), problem.Forbidden)
	if q := d.questions(); len(q) != 2 || q[0].User != "" || q[0].Session != "" || string(q[0].Claims) != "{}" {
		t.Errorf("it was asked %+v", q)
	}
}

func TestWhatIsNeitherYesNorNoRefusesForNowAndIsNotRemembered(t *testing.T) {
	d := open(t, nil)
	ann := d.identity("ann", nil)
	for i, status := range []int{204, 302, 307, 400, 401, 404, 500, 502, 429} {
		d.says(func(question) int { return status })
		d.want(fmt.Sprint(status), d.MayFollow(t.Context(), ann, "topic.yes"), problem.NotReady)
		d.wantAsked(fmt.Sprint(status), i+1) // a redirect is not followed either
	}
	p := problem.Of(d.MayFollow(t.Context(), ann, "topic.other"))
	if p.RetryAfter <= 0 || strings.Contains(p.Detail, "429") {
		t.Errorf("the client is told %+v", p)
	}
	d.says(func(question) int { return 200 })
	d.want("when it is well again", d.MayFollow(t.Context(), ann, "topic.yes"), "")
	if n := strings.Count(d.logged.String(), "refused"); n == 0 || n > 2 {
		t.Errorf("the log has %d lines: %s", n, &d.logged)
	}
	if got := testutil.ToFloat64(d.metrics.asked.WithLabelValues(string(odd))); got != 7 {
		t.Errorf("%v unexpected answers were counted", got)
	}
	if strings.Contains(d.logged.String(), "topic.") || strings.Contains(d.logged.String(), "ann") {
		t.Errorf("the log names who asked for what: %s", &d.logged)
	}
}

func TestQuestionsAlikeAreAskedOnce(t *testing.T) {
	d := open(t, nil)
	d.hold = make(chan struct{})
	ann := d.identity("ann", nil)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { d.want("a yes", d.MayFollow(t.Context(), ann, "topic.yes"), "") })
	}
	gone, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- d.MayFollow(gone, ann, "topic.yes") }()
	leave()
	d.want("who leaves meanwhile", <-left, problem.NotReady)
	close(d.hold)
	all.Wait()
	d.wantAsked("fifty times at once", 1)
}

func TestOneUserWaitsForThemselvesAndNotOthersForThem(t *testing.T) {
	d := open(t, func(c *auth.CheckConfig) { c.MaxInFlight, c.Timeout = 8, 4*time.Second })
	d.hold = make(chan struct{})
	ann, bob := d.identity("ann", nil), d.identity("bob", nil)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() { d.want("ann", d.MayFollow(t.Context(), ann, fmt.Sprintf("topic.%d.yes", i)), "") })
	}
	busy := func(user string, n int) bool { d.mu.Lock(); defer d.mu.Unlock(); return d.busyOfUsers[user] == n }
	waitfor.True(t, func() bool { return busy("ann", 2) }) // ann has her share
	all.Go(func() { d.want("bob", d.MayFollow(t.Context(), bob, "topic.yes"), "") })
	waitfor.True(t, func() bool { return busy("bob", 1) }) // bob has his turn
	close(d.hold)
	all.Wait()
	if d.most > 8 || d.mostOfUser != 2 {
		t.Errorf("%d questions at once, %d of one user", d.most, d.mostOfUser)
	}
	if len(d.turns.users) != 0 || len(d.flights) != 0 {
		t.Errorf("%d users and %d questions are left", len(d.turns.users), len(d.flights))
	}
}

func TestWhoWaitsWhenTheNodeClosesIsRefused(t *testing.T) {
	d := open(t, nil)
	d.hold = make(chan struct{})
	ann := d.identity("ann", nil)
	waits := make(chan error)
	go func() { waits <- d.MayFollow(t.Context(), ann, "topic.yes") }()
	waitfor.True(t, func() bool { return len(d.questions()) == 1 }) // it is asked
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	d.want("who waits", <-waits, problem.NotReady)
	d.want("who comes later", d.MayFollow(t.Context(), ann, "topic.other.yes"), problem.NotReady)
	d.wantAsked("after the end", 1)
}

func TestWithoutAURLTheTokenAloneDecides(t *testing.T) {
	c, err := New(auth.Default().External, nil, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ann := &auth.Identity{User: "ann", Subscribe: []string{"user.ann"}}
	if c.Asks("ann") || c.MayFollow(t.Context(), ann, "user.ann") != nil {
		t.Error("the token does not decide")
	}
	if p := problem.Of(c.MayFollow(t.Context(), ann, "topic.a")); p.Code != problem.Forbidden {
		t.Errorf("got %v", p)
	}
}
