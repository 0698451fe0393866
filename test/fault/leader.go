package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"weft/test/stage"
)

// leader returns which node leads the stream of events, by what the nodes say of
// themselves.
func (c *Cluster) leader(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Nodes[0].AdminURL()+"/_weft/v1/nodes", nil)
	if err != nil {
		return 0, err
	}
	if token := c.Nodes[0].AdminToken(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask who leads: %w", err)
	}
	defer answer.Body.Close()
	var nodes struct {
		Groups []struct {
			Name   string `json:"name"`
			Leader string `json:"leader"`
		} `json:"groups"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&nodes); err != nil {
		return 0, fmt.Errorf("ask who leads: %w", err)
	}
	for _, g := range nodes.Groups {
		i := slices.IndexFunc(c.Nodes, func(n *stage.Node) bool { return n.Config["node.name"] == g.Leader })
		if g.Name == "EVENTS" && i >= 0 {
			return i, nil
		}
	}
	return 0, fmt.Errorf("ask who leads: nobody does: %+v", nodes)
}
