package main

import (
	"errors"
	"net/http"
)

// A seat is a node as the page shows it: what is known of its process, and what
// the cluster says of it.
type seat struct {
	Name string `json:"name"`
	condition
	// Answers is whether the node is among those that answered.
	Answers     bool   `json:"answers"`
	Ready       bool   `json:"ready"`
	Reason      string `json:"reason,omitempty"`
	Connections int    `json:"connections"`
	Leader      bool   `json:"leader"`
}

// seats joins what the members and the roster know.
func (c *cluster) seats() []seat {
	report := c.roster.report()
	var all []seat
	for _, m := range c.members {
		s := seat{Name: m.Name, condition: m.condition()}
		if n, ok := report.node(m.Name); ok && s.State != stateDown {
			s.Answers, s.Ready, s.Reason, s.Connections = true, n.Ready, n.Reason, n.Connections
			s.Leader = report.leader() == m.Name
		}
		all = append(all, s)
	}
	return all
}

// showCluster tells how the nodes and the flow are.
func (p *page) showCluster(w http.ResponseWriter, _ *http.Request) {
	p.answer(w, http.StatusOK, map[string]any{"nodes": p.cluster.seats(), "flow": p.cluster.flow.report()})
}

// changeNode ends, pauses or starts a node.
func (p *page) changeNode(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Name string `json:"name"`
		Do   string `json:"do"`
	}
	if !p.read(w, r, &req) {
		return
	}
	m := p.cluster.member(req.Name)
	if _, known := deeds[req.Do]; m == nil || !known {
		p.refuse(w, http.StatusUnprocessableEntity, "unknown node, or nothing that can be done to one")
		return
	}
	if err := m.do(req.Do); err != nil {
		status := http.StatusInternalServerError
		if errors.Is(err, errState) {
			status = http.StatusConflict
		}
		p.refuse(w, status, err.Error())
		return
	}
	p.log.Info("node changed", "node", req.Name, "do", req.Do)
	p.answer(w, http.StatusOK, m.condition())
}

// changeFlow lets the events flow, or rest.
func (p *page) changeFlow(w http.ResponseWriter, r *http.Request) {
	var req struct {
		On bool `json:"on"`
	}
	if !p.read(w, r, &req) {
		return
	}
	p.cluster.flow.turn(req.On)
	p.answer(w, http.StatusOK, map[string]bool{"on": req.On})
}
