package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// A group is what the nodes say of one that keeps copies of something.
type group struct {
	Name     string `json:"name"`
	Leader   string `json:"leader"`
	Replicas []struct {
		Node    string `json:"node"`
		Current bool   `json:"current"`
		Offline bool   `json:"offline"`
		Lag     uint64 `json:"lag"`
	} `json:"replicas"`
}

// groups asks node i.
func (c *Cluster) groups(ctx context.Context, i int) ([]group, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Nodes[i].AdminURL()+"/_weft/v1/nodes", nil)
	if err != nil {
		return nil, err
	}
	if token := c.Nodes[i].AdminToken(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for the groups: %w", err)
	}
	defer answer.Body.Close()
	var nodes struct {
		Groups []group `json:"groups"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&nodes); err != nil {
		return nil, fmt.Errorf("ask for the groups: %w", err)
	}
	return nodes.Groups, nil
}

// leader returns which node leads the stream of events, by what the nodes say of
// themselves. While they elect it waits.
func (c *Cluster) leader(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		groups, err := c.groups(ctx, 0)
		for _, g := range groups {
			i := slices.IndexFunc(c.Nodes, func(n *stage.Node) bool { return n.Config["node.name"] == g.Leader })
			if g.Name == "EVENTS" && i >= 0 {
				return i, nil
			}
		}
		if waitfor.Time(ctx, 100*time.Millisecond) != nil {
			return 0, fmt.Errorf("ask who leads: nobody does: %+v, %w", groups, errors.Join(err, ctx.Err()))
		}
	}
}

// copiesLimit bounds how long a copy may take to follow again, also that of a leader that
// was cut off: half of it, on a machine that does nothing else.
const copiesLimit = time.Minute

// awaitCopies waits until every group has a leader and all of its copies follow: then
// any node may be lost.
func (c *Cluster) awaitCopies(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, copiesLimit)
	defer cancel()
	for {
		groups, err := c.groups(ctx, 0)
		if err == nil {
			err = behind(groups)
		}
		if err == nil {
			return nil
		}
		if waitfor.Time(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("copies are behind after %v: %w", copiesLimit, err)
		}
	}
}

// behind says which copy does not follow, nil when all do.
func behind(groups []group) error {
	if len(groups) == 0 {
		return fmt.Errorf("there are no groups")
	}
	for _, g := range groups {
		if g.Leader == "" || len(g.Replicas) != stage.ClusterSize {
			return fmt.Errorf("%s is led by %q and has %d copies", g.Name, g.Leader, len(g.Replicas))
		}
		for _, r := range g.Replicas {
			if !r.Current || r.Offline {
				return fmt.Errorf("%s at %s is behind by %d", g.Name, r.Node, r.Lag)
			}
		}
	}
	return nil
}
