package route_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"weft/edge/route"
)

// A route keeps its document, and beside it no more than it serves by: not the reading of
// the document, and no second copy.
func TestARouteKeepsLittleBesideItsDocument(t *testing.T) {
	const routes, most = 500, 2 << 10
	documents := make([][]byte, routes)
	for i := range documents {
		documents[i] = []byte(doc(fmt.Sprintf("GET /a%d/{id}/{rest...}", i), "http://b:8080/v1/{id}/{rest}",
			`,"description":"`+strings.Repeat("x", 500)+`","timeout":"10s","cors":["https://a.example"],"request_headers":{"set":{"X-A":"{id}"}}`+strings.Repeat(" ", 20_000)))
	}
	kept := make([]*route.Route, routes)
	before := heap()
	for i, d := range documents {
		kept[i] = parse(t, string(d))
		kept[i].Document = nil
	}
	if each := int64(heap()-before) / routes; each > most {
		t.Errorf("a route keeps %d bytes, at most %d", each, most)
	}
	runtime.KeepAlive(documents)
	runtime.KeepAlive(kept)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
