package fault

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"weft/config/testkit/waitfor"
)

// Terms are how often each group has elected, by its name.
type Terms map[string]uint64

var electionsLine = regexp.MustCompile(`^weft_jetstream_elections_total\{group="([^"]*)"\} (\S+)$`)

// readTerms reads what a node's metrics say.
func readTerms(metrics io.Reader) (Terms, error) {
	terms := Terms{}
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		if m := electionsLine.FindStringSubmatch(lines.Text()); m != nil {
			n, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				return nil, fmt.Errorf("read elections of %s: %w", m[1], err)
			}
			terms[m[1]] = uint64(n)
		}
	}
	return terms, lines.Err()
}

// take takes the greater numbers of other: a node that was away does not know the last.
func (t Terms) take(other Terms) {
	for group, n := range other {
		t[group] = max(t[group], n)
	}
}

// Elections are how often groups elected in some time, by their names; none with 0.
type Elections map[string]int

// since are the elections between earlier and t. A group that is new has had none.
func (t Terms) since(earlier Terms) Elections {
	found := Elections{}
	for group, n := range t {
		if before, ok := earlier[group]; ok && n > before {
			found[group] = int(n - before)
		}
	}
	return found
}

func (e Elections) add(other Elections) {
	for group, n := range other {
		e[group] += n
	}
}

// sum is how many there were in all groups.
func (e Elections) sum() (n int) {
	for _, of := range e {
		n += of
	}
	return n
}

// String lists the groups in the order of their names.
func (e Elections) String() string {
	var parts []string
	for _, group := range slices.Sorted(maps.Keys(e)) {
		parts = append(parts, fmt.Sprintf("%s %d", group, e[group]))
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// terms asks all nodes; who does not answer is left out, unless nobody does.
func (c *Cluster) terms(ctx context.Context) (Terms, error) {
	var asking sync.WaitGroup
	all, errs := make([]Terms, len(c.Nodes)), make([]error, len(c.Nodes))
	for i := range c.Nodes {
		asking.Go(func() { all[i], errs[i] = c.termsOf(ctx, i) })
	}
	asking.Wait()
	terms := Terms{}
	for _, t := range all {
		terms.take(t)
	}
	if len(terms) == 0 {
		return nil, fmt.Errorf("nobody counts elections: %v", errs)
	}
	return terms, nil
}

func (c *Cluster) termsOf(ctx context.Context, i int) (Terms, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Nodes[i].AdminURL()+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	if token := c.Nodes[i].AdminToken(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := asker.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return readTerms(answer.Body)
}

// A Calm is time in which no fault was done to the nodes and the links between them, and
// all copies followed, with what was elected in it, which should be nothing.
type Calm struct {
	For     time.Duration
	Elected Elections
}

func (c *Calm) add(other Calm) {
	c.For += other.For
	if c.Elected == nil {
		c.Elected = Elections{}
	}
	c.Elected.add(other.Elected)
}

// mostElections is how often the groups may elect in calm time: once in each hour that
// has begun.
func mostElections(calm time.Duration) int { return int((calm-1)/time.Hour) + 1 }

// A counter counts elections from one moment to the next.
type counter struct {
	c     *Cluster
	at    time.Time
	terms Terms
}

// settle waits until all copies follow, and begins to count.
func (c *Cluster) settle(ctx context.Context) error {
	if err := c.awaitCopies(ctx); err != nil {
		return err
	}
	c.elections, c.settled = &counter{c: c}, true
	_, err := c.elections.next(ctx)
	return err
}

// next returns how long it is since it was called before, and what was elected since.
func (k *counter) next(ctx context.Context) (Calm, error) {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	terms, err := k.c.terms(ctx)
	for err != nil { // a machine that is busy may let all questions time out
		if waitfor.Time(ctx, 100*time.Millisecond) != nil {
			return Calm{}, err
		}
		terms, err = k.c.terms(ctx)
	}
	now := time.Now()
	passed := Calm{now.Sub(k.at), terms.since(k.terms)}
	terms.take(k.terms) // nobody who knew of the last may have answered
	k.at, k.terms = now, terms
	return passed, nil
}
