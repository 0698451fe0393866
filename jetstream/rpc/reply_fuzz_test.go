package rpc_test

import (
	"bytes"
	"context"
	"testing"

	"weft/jetstream/rpc"
)

// FuzzReply lets a node say anything: what cannot be read is no answer, and missing
// from the coverage.
func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"a":1,"B":2}`), []byte(`{"A":3,"B":4,"of a later version":true}`))
	f.Add([]byte(`null`), []byte(`[1]`))
	f.Add([]byte(``), []byte(`{"A":1e400}`))
	f.Fuzz(func(t *testing.T, asked, said []byte) {
		r := newAlone(1)
		r.Handle("raw", 1, func(context.Context, []byte) []byte { return said })
		rpc.HandleJSON(r, "same", 1, func(_ context.Context, q question) question { return q })
		list, coverage, err := rpc.CallAllJSON[question](t.Context(), r, "raw", nil)
		if err != nil || coverage.Answered != len(list) || coverage.Complete != (len(list) == 1) {
			t.Fatalf("%v, %+v, %v", list, coverage, err)
		}
		one, err := rpc.CallJSON[question](t.Context(), r, "n1", "raw", nil)
		if (err == nil) != (len(list) == 1) || err == nil && one != list[0].Answer {
			t.Fatalf("%v, %v; of all: %v", one, err, list)
		}
		// A question from outside is answered with its like, or not at all.
		out, err := r.Call(t.Context(), "n1", "same", asked)
		if err != nil || len(out) > 0 && !bytes.HasPrefix(out, []byte(`{"A":`)) {
			t.Fatalf("%q, %v", out, err)
		}
	})
}
