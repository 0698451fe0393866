package route_test

import (
	"testing"

	"weft/edge/route"
)

// FuzzParse makes sure that no document makes Parse panic, and that the schema accepts what
// Parse takes.
func FuzzParse(f *testing.F) {
	for _, d := range goods {
		f.Add([]byte(d))
	}
	for _, bad := range faults {
		f.Add([]byte(bad.document))
	}
	s := schema(f)
	f.Fuzz(func(t *testing.T, document []byte) {
		r, errs := route.Parse("orders", document)
		if (r == nil) != (len(errs) > 0) {
			t.Fatalf("a route is %v, and %v is wrong", r, errs)
		}
		for _, e := range errs {
			if e == nil || e.Detail == "" {
				t.Fatalf("something is wrong and not said: %v", errs)
			}
		}
		if r == nil {
			return
		}
		if err := accepts(s, string(document)); err != nil {
			t.Fatalf("taken, and the schema says %v", err)
		}
		if r.Pattern == nil || len(r.Targets) == 0 || r.Timeout <= 0 || r.BodyLimit < -1 {
			t.Fatalf("got %+v", r)
		}
	})
}

// BenchmarkParse is one of the 10,000 documents of a table.
func BenchmarkParse(b *testing.B) {
	document := []byte(`{"pattern":"GET /api/orders/{id}/lines/{rest...}","targets":["http://orders-1:8080/v1/{id}/{rest}","http://orders-2:8080/v1/{id}/{rest}"],
		"description":"orders","auth":{"require":{"/roles":["buyer","admin"]},"pass_token":false},"timeout":"10s","request_headers":{"set":{"X-Tenant":"{/tenant}"}},
		"rate":{"per":"user","limit":"10/s","burst":20},"cors":["https://app.example.com"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, errs := route.Parse("orders", document); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}
