package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A figure is a line of the table.
type figure struct {
	key  string
	name string
	unit string
	// must and goal are upper bounds; 0: none. With ratio they bound the value
	// divided by that of the baseline.
	must, goal float64
	ratio      bool
	digits     int
}

// nothing is the bound of a count that must be 0: a bound of 0 would be no bound.
const nothing = 0.5

// figures is the table, in order. What is in braces in a name is filled in from
// the scale of the run.
var figures = []figure{
	{key: "idle sse bytes", name: "SSE, idle, private memory per connection", unit: "B", must: 6000, goal: 3000},
	{key: "idle websocket bytes", name: "WebSocket, the same", unit: "B", must: 7000, goal: 3500},
	{key: "idle sse goroutines", name: "goroutines with all idle, SSE", must: 200},
	{key: "idle websocket goroutines", name: "goroutines with all idle, WebSocket", must: 200},
	{key: "idle sse cpu", name: "idle CPU per 10,000 above none, SSE", unit: "ms/s", must: 8, goal: 5, digits: 1},
	{key: "idle websocket cpu", name: "idle CPU per 10,000 above none, WebSocket", unit: "ms/s", must: 8, goal: 5, digits: 1},
	{key: "connect sse", name: "connect, CPU per 1,000, SSE", unit: "ms", must: 110, goal: 85, digits: 1},
	{key: "connect websocket", name: "connect, CPU per 1,000, WebSocket", unit: "ms", must: 100, goal: 75, digits: 1},
	{key: "fan-out sse small 1", name: "fan-out SSE to an inbox and a topic each, M={small}, one in flight, CPU per delivery", unit: "µs", must: 0.75, goal: 0.65, ratio: true, digits: 2},
	{key: "fan-out sse small 8", name: "– M={small}, eight in flight", unit: "µs", must: 0.30, goal: 0.20, ratio: true, digits: 2},
	{key: "fan-out sse large 1", name: "– M={large}, one in flight", unit: "µs", ratio: true, digits: 2},
	{key: "fan-out sse large 8", name: "– M={large}, eight in flight", unit: "µs", must: 0.25, goal: 0.15, ratio: true, digits: 2},
	{key: "topic alone sse small 1", name: "fan-out SSE to the topic alone, M={small}, one in flight", unit: "µs", ratio: true, digits: 2},
	{key: "topic alone sse small 8", name: "– M={small}, eight in flight", unit: "µs", ratio: true, digits: 2},
	{key: "topic alone sse large 1", name: "– M={large}, one in flight", unit: "µs", ratio: true, digits: 2},
	{key: "topic alone sse large 8", name: "– M={large}, eight in flight", unit: "µs", ratio: true, digits: 2},
	{key: "shape sse small 1", name: "SSE, an inbox and a topic each to the topic alone, M={small}, one in flight", unit: "µs", must: 1.15, ratio: true, digits: 2},
	{key: "shape sse small 8", name: "– M={small}, eight in flight", unit: "µs", must: 1.15, ratio: true, digits: 2},
	{key: "shape sse large 1", name: "– M={large}, one in flight", unit: "µs", must: 1.15, ratio: true, digits: 2},
	{key: "shape sse large 8", name: "– M={large}, eight in flight", unit: "µs", must: 1.15, ratio: true, digits: 2},
	{key: "fan-out websocket small 1", name: "fan-out WebSocket to an inbox and a topic each, M={small}, one in flight, CPU per delivery", unit: "µs", ratio: true, digits: 2},
	{key: "fan-out websocket small 8", name: "– M={small}, eight in flight", unit: "µs", ratio: true, digits: 2},
	{key: "fan-out websocket large 1", name: "– M={large}, one in flight", unit: "µs", ratio: true, digits: 2},
	{key: "fan-out websocket large 8", name: "– M={large}, eight in flight", unit: "µs", ratio: true, digits: 2},
	{key: "topic alone websocket small 1", name: "fan-out WebSocket to the topic alone, M={small}, one in flight", unit: "µs", ratio: true, digits: 2},
	{key: "topic alone websocket small 8", name: "– M={small}, eight in flight", unit: "µs", ratio: true, digits: 2},
	{key: "topic alone websocket large 1", name: "– M={large}, one in flight", unit: "µs", ratio: true, digits: 2},
	{key: "topic alone websocket large 8", name: "– M={large}, eight in flight", unit: "µs", ratio: true, digits: 2},
	{key: "shape websocket small 1", name: "WebSocket, an inbox and a topic each to the topic alone, M={small}, one in flight", unit: "µs", must: 1.15, ratio: true, digits: 2},
	{key: "shape websocket small 8", name: "– M={small}, eight in flight", unit: "µs", must: 1.15, ratio: true, digits: 2},
	{key: "shape websocket large 1", name: "– M={large}, one in flight", unit: "µs", must: 1.15, ratio: true, digits: 2},
	{key: "shape websocket large 8", name: "– M={large}, eight in flight", unit: "µs", must: 1.15, ratio: true, digits: 2},
	{key: "unicast", name: "NATS → stored → SSE, saturated, CPU per event", unit: "µs", must: 40, goal: 30, digits: 1},
	{key: "growth each", name: "memory per connection, {least} to {most}: spread", unit: "%", must: 10, digits: 1},
	{key: "growth more", name: "– of one more connection: spread", unit: "%", digits: 1},
	{key: "faults", name: "lost, doubled, overtaken, dropped", must: nothing},
	{key: "tls idle sse bytes", name: "TLS: SSE, idle, private memory per connection", unit: "B"},
	{key: "tls idle websocket bytes", name: "TLS: WebSocket, the same", unit: "B"},
	{key: "tls idle h2 bytes", name: "HTTP/2: SSE, the same per stream", unit: "B"},
	{key: "tls fan-out sse 1", name: "TLS: fan-out SSE, M={tls}, one in flight", unit: "µs", digits: 2},
	{key: "tls fan-out sse 8", name: "– eight in flight", unit: "µs", digits: 2},
	{key: "tls fan-out h2 1", name: "HTTP/2: fan-out SSE, M={tls}, one in flight", unit: "µs", digits: 2},
	{key: "tls fan-out h2 8", name: "– eight in flight", unit: "µs", digits: 2},
}

// results are what was measured, one value a round, by the key of the figure.
type results struct {
	weft, baseline map[string][]float64
	names          *strings.Replacer // of what is in braces in a figure's name
}

func newResults(s scale) *results {
	count := func(n int) string { return number(float64(n), 0, "") }
	pairs := []string{"{small}", count(s.small), "{large}", count(s.large), "{tls}", count(s.tls)}
	if n := len(s.spread); n > 0 {
		pairs = append(pairs, "{least}", count(s.spread[0]), "{most}", count(s.spread[n-1]))
	}
	return &results{
		weft: map[string][]float64{}, baseline: map[string][]float64{}, names: strings.NewReplacer(pairs...),
	}
}

// median is that of the values, false when there are none.
func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2, true
}

// cells are what the line of a figure holds, nil when it was not measured.
func (r *results) cells(f figure) []string {
	value, ok := median(r.weft[f.key])
	if !ok {
		return nil
	}
	base, compared := median(r.baseline[f.key])
	cells := []string{r.names.Replace(f.name), number(value, f.digits, f.unit), "", "", "", "", ""}
	judged, known := value, true
	if compared {
		cells[2] = number(base, f.digits, f.unit)
		cells[3] = number(value/base, 2, "×")
	}
	if f.ratio {
		judged, known = value/base, compared
	}
	bound := func(limit float64) string {
		if f.ratio {
			return "≤ " + number(limit, 2, "×")
		}
		return "≤ " + number(limit, 0, f.unit)
	}
	if f.must > 0 {
		cells[4] = bound(f.must)
		switch {
		case !known:
			cells[6] = "no baseline"
		case judged > f.must:
			cells[6] = "NOT MET"
		case f.goal > 0 && judged <= f.goal:
			cells[6] = "goal met"
		default:
			cells[6] = "met"
		}
	}
	if f.goal > 0 {
		cells[5] = bound(f.goal)
	}
	return cells
}

// write writes the table in Markdown.
func (r *results) write(w io.Writer) {
	rows := [][]string{{"figure", "value", "baseline", "ratio", "must", "goal", ""}}
	for _, f := range figures {
		if cells := r.cells(f); cells != nil {
			rows = append(rows, cells)
		}
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for i, row := range rows {
		writeRow(w, row, widths)
		if i == 0 {
			rule := make([]string, len(row))
			for j := range rule {
				rule[j] = strings.Repeat("-", max(3, widths[j]))
			}
			writeRow(w, rule, widths)
		}
	}
}

func writeRow(w io.Writer, row []string, widths []int) {
	for i, cell := range row {
		fmt.Fprint(w, "| ", cell, strings.Repeat(" ", widths[i]-min(widths[i], len([]rune(cell)))), " ")
	}
	fmt.Fprintln(w, "|")
}

// number writes 12345 as 12,345.
func number(v float64, digits int, unit string) string {
	text := fmt.Sprintf("%.*f", digits, v)
	whole, fraction, _ := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if unit != "" && unit != "×" {
		unit = " " + unit
	}
	return sign + whole + unit
}
