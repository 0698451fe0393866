package fault

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/stage"
)

const (
	// skewedAge is events.max_age, and wrongBy how wrong clocks are beside it: the copy of a
	// node that is ahead keeps nothing for longer than it takes to look.
	skewedAge, wrongBy = 10 * time.Second, 30 * time.Second
	// looksAgain is how long a copy may take to let go what is too old by a clock that jumped.
	looksAgain = 1500 * time.Millisecond
)

// A skewedCluster is three nodes with clocks of their own: one that leads, whose clock is
// right at first, one that is ahead, and one that is behind.
type skewedCluster struct {
	*Cluster
	t                     *testing.T
	ctx                   context.Context
	clocks                []*stage.Clock
	leader, ahead, behind int
}

func startSkewedCluster(t *testing.T) *skewedCluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	s := &skewedCluster{Cluster: &Cluster{Log: logger(t)}, t: t, ctx: ctx}
	var clocks stage.PerNode
	for range stage.ClusterSize {
		s.clocks = append(s.clocks, stage.NewClock(t))
		clocks = append(clocks, s.clocks[len(s.clocks)-1])
	}
	s.Nodes = stage.StartCluster(t, ctx, stage.Config{"events.max_age": skewedAge.String()}.With(stage.ClockSetting, clocks))
	if err := s.awaitCopies(ctx); err != nil {
		t.Fatal(err)
	}
	s.led()
	return s
}

// led finds out who leads the events.
func (s *skewedCluster) led() {
	s.t.Helper()
	var err error
	if s.leader, err = s.Cluster.leader(s.ctx); err != nil {
		s.t.Fatal(err)
	}
	s.ahead, s.behind = (s.leader+1)%len(s.Nodes), (s.leader+2)%len(s.Nodes)
}

// token is one that each node takes, whatever its clock says.
func (s *skewedCluster) token(user string, claims stage.Claims) string {
	now := time.Now()
	all := stage.Claims{"iat": now.Add(-2 * time.Minute).Unix()}
	for k, v := range claims {
		all[k] = v
	}
	return stage.Token(s.t, user, all)
}

// status is what a node says to a token.
func (s *skewedCluster) status(i int, token string) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.Nodes[i].URL()+"/_weft/v1/me", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// head is where a user stands now, as a client is told who comes to a node.
func (s *skewedCluster) head(i int, user string) string {
	s.t.Helper()
	a, err := client.PollOnce(s.ctx, client.Target{URL: s.Nodes[i].URL(), Token: s.token(user, nil)})
	if err != nil {
		s.t.Fatal(err)
	}
	return a.LastEventID
}

// publish publishes numbered events to a user at a node. The number is the id.
func (s *skewedCluster) publish(i int, user string, numbers ...int) {
	s.t.Helper()
	p := newAdmin(s.Cluster)
	defer p.close()
	p.origin = func() string { return s.Nodes[i].AdminURL() }
	for _, n := range numbers {
		if _, err := p.publish(s.ctx, user, n); err != nil {
			s.t.Fatal(err)
		}
	}
}

// comeBack is what a client is given that comes to a node with an id, or with a time, until
// it has the event with the number last or is told of a loss.
func (s *skewedCluster) comeBack(i int, user, lastID, since string, last int) (seen []int, reset bool) {
	s.t.Helper()
	target := client.Target{URL: s.Nodes[i].URL(), Token: s.token(user, nil), LastID: lastID}
	if since != "" {
		target.Query = url.Values{"since": {since}}
	}
	// A poll that has nothing waits for as long as a client would.
	ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
	defer cancel()
	for !reset && !slices.Contains(seen, last) {
		a, err := client.PollOnce(ctx, target)
		if err != nil {
			s.t.Logf("n%d: after %v: %v", i+1, seen, err)
			return seen, false
		}
		for _, e := range a.Events {
			var n int
			if _, err := fmt.Sscanf(string(e.Data), fmt.Sprintf(`{"user":%q,"source":"admin","n":%%d,`, user), &n); err != nil {
				s.t.Fatalf("event %s: %v", e.Data, err)
			}
			seen = append(seen, n)
		}
		reset, target.LastID, target.Query = a.Reset, a.LastEventID, nil
	}
	return seen, reset
}

// have demands that who comes back to any node is given these events, and told of no loss,
// when the first was published at a time that is not too long ago: it reports whether it was.
func (s *skewedCluster) have(when, user, lastID, since string, published time.Time, want ...int) bool {
	s.t.Helper()
	for i := range s.Nodes {
		seen, reset := s.comeBack(i, user, lastID, since, want[len(want)-1])
		if time.Since(published) >= skewedAge {
			s.Log("%s: n%d gives %v, reset: %v, too late", when, i+1, seen, reset)
			return false
		}
		if reset || !slices.Equal(seen, want) {
			s.t.Errorf("%s: n%d gives %v (reset: %v), want %v; n%d leads, n%d is ahead, n%d behind",
				when, i+1, seen, reset, want, s.leader+1, s.ahead+1, s.behind+1)
		}
	}
	return true
}

// filled is how many events a node has asked the leader for that the copy lacked.
func (s *skewedCluster) filled(i int) float64 {
	s.t.Helper()
	resp, err := http.Get(s.Nodes[i].AdminURL() + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var n float64
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "weft_feed_filled_total %g", &n); err == nil {
			return n
		}
	}
	s.t.Fatalf("n%d does not say how many events it was given by the leader", i+1)
	return 0
}

// wait lets what is stored grow older.
func (s *skewedCluster) wait(d time.Duration) {
	s.t.Helper()
	if err := waitfor.Time(s.ctx, d); err != nil {
		s.t.Fatal(err)
	}
}

// Clocks that are wrong by more than events are kept, and that jump, take nothing from
// anybody who is not told of a loss.
func TestWrongClocksTakeNoEventSilently(t *testing.T) {
	if !atLength() && !stage.HasClocks() {
		t.Log("not run: there is no binary with clocks of its own; make fault builds it")
		return
	}
	s := startSkewedCluster(t)
	s.Log("n%d leads, n%d is ahead, n%d behind by %v", s.leader+1, s.ahead+1, s.behind+1, wrongBy)
	s.clocks[s.ahead].Set(wrongBy)
	s.clocks[s.behind].Set(-wrongBy)
	for _, part := range []struct {
		name string
		test func()
	}{{"copies", s.copies}, {"tokens", s.tokens}, {"revocations", s.revocations}, {"jumps", s.jumps}} {
		t.Run(part.name, func(t *testing.T) {
			s.t = t
			part.test()
		})
	}
}

// copies that have let go what others still have take it from nobody, nor are repeats stored
// that were published elsewhere.
func (s *skewedCluster) copies() {
	// A copy begins to look for what is too old when something has been there for that long.
	for n := 0; ; n++ {
		user, began := fmt.Sprint("ann", n), time.Now()
		id, since := s.head(s.leader, user), began.UTC().Format(time.RFC3339Nano)
		s.publish(s.leader, user, 1, 2, 3)
		s.wait(looksAgain)
		s.publish(s.leader, user, 4, 5)
		s.publish(s.ahead, user, 4)
		s.publish(s.behind, user, 5, 1)
		inTime := s.have("with an id", user, id, "", began, 1, 2, 3, 4, 5) &&
			s.have("since a time", user, "", since, began, 1, 2, 3, 4, 5)
		if s.t.Failed() || inTime && s.filled(s.ahead) > 0 {
			s.Log("the copy that is ahead had let go what others still had in round %d", n+1)
			return
		}
	}
}

// tokens are good by the clock of the node that is asked.
func (s *skewedCluster) tokens() {
	now := time.Now()
	within := wrongBy / 2 // of what the clocks are apart
	for name, c := range map[string]struct {
		token                string
		ahead, right, behind int
	}{
		"made just now":      {s.token("ann", stage.Claims{"iat": now.Unix()}), http.StatusOK, http.StatusOK, http.StatusUnauthorized},
		"expires soon":       {s.token("ann", stage.Claims{"exp": now.Add(within).Unix()}), http.StatusUnauthorized, http.StatusOK, http.StatusOK},
		"expired before":     {s.token("ann", stage.Claims{"exp": now.Add(-within).Unix()}), http.StatusUnauthorized, http.StatusUnauthorized, http.StatusOK},
		"expired longer ago": {s.token("ann", stage.Claims{"exp": now.Add(-wrongBy - time.Minute).Unix()}), http.StatusUnauthorized, http.StatusUnauthorized, http.StatusUnauthorized},
	} {
		got := [...]int{s.status(s.ahead, c.token), s.status(s.leader, c.token), s.status(s.behind, c.token)}
		if want := [...]int{c.ahead, c.right, c.behind}; got != want {
			s.t.Errorf("a token that was %s: %v ahead, right, behind; want %v", name, got, want)
		}
	}
}

// revocations made anywhere cut sessions, and tokens of a user that are older than clocks
// are apart, at all nodes.
func (s *skewedCluster) revocations() {
	for made := range s.Nodes {
		user, session := fmt.Sprint("rev", made), fmt.Sprint("s", made)
		tokens := map[string]string{
			"user." + user: s.token(user, nil),
			session:        s.token("other", stage.Claims{"jti": session, "iat": time.Now().Unix()}),
		}
		for key, token := range tokens {
			if status := s.status(s.leader, token); status != http.StatusOK {
				s.t.Errorf("before %s is revoked its token is answered %d", key, status)
			}
			req, err := http.NewRequestWithContext(s.ctx, http.MethodPut, s.Nodes[made].AdminURL()+"/_weft/v1/blacklist/"+key, strings.NewReader(""))
			if err != nil {
				s.t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+s.Nodes[made].AdminToken())
			answer, err := http.DefaultClient.Do(req)
			if err != nil {
				s.t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode/100 != 2 {
				s.t.Fatalf("revoke %s at n%d: %s", key, made+1, answer.Status)
			}
			for i := range s.Nodes {
				deadline := time.Now().Add(time.Minute)
				for s.status(i, token) == http.StatusOK {
					if time.Now().After(deadline) {
						s.t.Fatalf("%s, revoked at n%d, is let in at n%d", key, made+1, i+1)
					}
					s.wait(50 * time.Millisecond)
				}
			}
		}
	}
}

// jumps are those of the clock of the node that leads, there and back, and the end of that
// node: history may end early, which who comes back is told.
func (s *skewedCluster) jumps() {
	id := s.head(s.leader, "bob")
	s.publish(s.leader, "bob", 1, 2, 3)
	s.clocks[s.leader].Set(wrongBy)
	s.wait(looksAgain)
	s.publish(s.leader, "bob", 4, 5)
	s.tell("the leader's clock has jumped ahead", "bob", id, 1, 2, 3, 4, 5)

	id, began := s.head(s.leader, "eve"), time.Now()
	s.publish(s.leader, "eve", 1, 2)
	s.clocks[s.leader].Set(-wrongBy)
	s.wait(looksAgain)
	s.publish(s.leader, "eve", 3, 4)
	s.have("the leader's clock has jumped back", "eve", id, "", began, 1, 2, 3, 4)

	was := s.leader
	s.Nodes[was].Kill()
	s.clocks[was].Set(0)
	s.Nodes[was].Start()
	if err := s.awaitCopies(s.ctx); err != nil {
		s.t.Fatal(err)
	}
	s.led()
	s.publish(s.leader, "eve", 5, 6)
	s.tell("a node with another clock leads", "eve", id, 1, 2, 3, 4, 5, 6)
}

// tell demands that who comes back to any node has all of these events, or is told of a loss.
func (s *skewedCluster) tell(when, user, lastID string, all ...int) {
	s.t.Helper()
	for i := range s.Nodes {
		seen, reset := s.comeBack(i, user, lastID, "", all[len(all)-1])
		if !reset && !slices.Equal(seen, all) {
			s.t.Errorf("%s: n%d gives %v without a reset, want %v", when, i+1, seen, all)
		}
		s.Log("%s: n%d gives %v, reset: %v", when, i+1, seen, reset)
	}
}
