package pattern_test

import (
	"fmt"
	"testing"

	"weft/edge/route/pattern"
)

// many are patterns as a large installation has them: services with versions, each with
// resources, parts of them, and a rest.
func many(t testing.TB, n int) []pattern.Entry[int] {
	t.Helper()
	var entries []pattern.Entry[int]
	for i := 0; len(entries) < n; i++ {
		base := fmt.Sprintf("/api/v%d/service%d", i%3, i)
		for _, text := range []string{
			"GET " + base + "/{id}", "PUT " + base + "/{id}", "GET " + base + "/{id}/parts/{part}", "POST " + base, base + "/files/{rest...}",
			fmt.Sprintf("GET tenant%d.example.com%s/{id}", i%100, base), fmt.Sprintf("/{lang}/shop%d/{$}", i), fmt.Sprintf("/web%d/", i),
		} {
			entries = append(entries, pattern.Entry[int]{Pattern: parse(t, text), Value: len(entries)})
		}
	}
	return entries[:n]
}

var requests = []struct{ method, host, path string }{
	{"GET", "shop.example.com", "/api/v1/service100/4711"},
	{"HEAD", "tenant7.example.com:8443", "/api/v2/service1007/4711"},
	{"GET", "shop.example.com", "/api/v0/service999/4711/parts/12"},
	{"POST", "shop.example.com", "/api/v1/service10/files/a/b/c.txt"},
	{"GET", "shop.example.com", "/de/shop1111/"},
	{"GET", "shop.example.com", "/web17/a%20b/c"},
	{"DELETE", "shop.example.com", "/api/v1/service100/4711"},
	{"GET", "shop.example.com", "/nothing/of/this"},
}

// BenchmarkMatch10000 is what a request costs in a table of 10,000 routes, its path read
// and matched: at most 1 µs.
func BenchmarkMatch10000(b *testing.B) {
	x := pattern.NewIndex(many(b, 10_000))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := requests[i%len(requests)]
		p, err := pattern.ParsePath(r.path)
		if err != nil {
			b.Fatal(err)
		}
		x.Match(r.method, r.host, p)
	}
}

// BenchmarkIndex10000 is what a change costs in a table of 10,000 routes.
func BenchmarkIndex10000(b *testing.B) {
	entries := many(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		pattern.NewIndex(entries)
	}
}

func TestAMatchAllocatesNothingButValues(t *testing.T) {
	x := pattern.NewIndex(many(t, 1000))
	for _, r := range requests {
		p := path(t, r.path)
		_, values, _ := x.Match(r.method, r.host, p)
		got := testing.AllocsPerRun(100, func() { x.Match(r.method, r.host, p) })
		if want := min(float64(len(values)), 1); got != want {
			t.Errorf("%s %s: %v allocations for %d values", r.method, r.path, got, len(values))
		}
		if got := testing.AllocsPerRun(100, func() { _, _ = pattern.ParsePath("/a/b/c/d/e") }); got > 1 {
			t.Errorf("a path without escapes takes %v allocations", got)
		}
	}
}
