package routes

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// alarm is how many bad puts in a row make the report an error: with as many as there is
// history the last good version is gone.
const alarm = 15

// measure shows what the table is.
func measure(reg prometheus.Registerer, table func() *Table) {
	show := func(name, help string, value func(*Table) float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weft_route_" + name, Help: help},
			func() float64 { return value(table()) }))
	}
	show("bad", "Routes whose newest version is bad; the last good one serves on.", func(t *Table) float64 { return float64(t.Bad) })
	show("table_routes", "Routes that serve.", func(t *Table) float64 { return float64(len(t.Routes)) })
	show("table_revision", "Newest revision of the bucket routes that is in the table; the same on all nodes.",
		func(t *Table) float64 { return float64(t.Revision) })
}

// report logs each bad version once. Of those that were bad before the node began to
// look, the newest counts.
func (m *making) report(log *slog.Logger, first bool) {
	for _, e := range m.all {
		problem := e.problem.Load()
		if problem == nil || e.Gone || e.told {
			continue
		}
		e.told = true
		s := m.states[e.name]
		if first && newest(s.versions) != e.Version {
			continue
		}
		args := []any{"route", e.name, "revision", e.Revision, "field", problem.Field, "err", problem.Detail}
		if row := s.rowAt(e.Version); row >= alarm {
			log.Error("route is bad", append(args, "danger", danger(row, s.serving != nil))...)
			continue
		}
		log.Warn("route is bad", args...)
	}
}

// rowAt is how many bad puts in a row there were up to a version.
func (s *state) rowAt(v *Version) int {
	row := 0
	for _, other := range s.versions {
		if row++; other.Gone || other.problem.Load() == nil {
			row = 0
		}
		if other == v {
			break
		}
	}
	return row
}

func danger(row int, serves bool) string {
	if !serves {
		return fmt.Sprintf("%d bad puts in a row; no version serves", row)
	}
	return fmt.Sprintf("%d bad puts in a row; with %d the good version leaves the history and the route ends", row, history)
}
