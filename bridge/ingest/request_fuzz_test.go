package ingest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"weft/bridge/body"
	"weft/edge/problem"
)

// FuzzRequest reads requests of every form: what comes out are events that the store
// takes, each asked for, or a problem to answer with.
func FuzzRequest(f *testing.F) {
	f.Add("user=ann@x.org&type=greeting", "text/plain", "", "k1", []byte("\x00\xff\r\n"))
	f.Add("", structuredType, "", "", []byte(forBoth))
	f.Add("subject=topic.a.b&user=c&user=c", batchType+"; charset=utf-8", "", "k", []byte("["+forBoth+","+forBoth+"]"))
	f.Add("user=ann", "text/x", "1.0", "", []byte("data"))
	f.Add("user=%FF&subject=out.x", "application/cloudevents+avro", "a%20b", "", []byte("[]"))
	f.Add("rule=orders&type=a", "application/json", "ann", "", []byte(`{"customer":{"id":["a",1]},"state":"b"}`))
	f.Add("rule=ce", structuredType, "", "", []byte(forBoth))
	f.Add("", "application/json", "", "", []byte(forBoth))
	in := &Ingest{cfg: config, rules: shopRules(f)}
	f.Fuzz(func(t *testing.T, query, contentType, attribute, key string, text []byte) {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{RawQuery: query}, Body: http.NoBody, Header: http.Header{}}
		r.Body, r.ContentLength = http.MaxBytesReader(nil, nopCloser{strings.NewReader(string(text))}, 1<<20), int64(len(text))
		for name, value := range map[string]string{"Content-Type": contentType, "Idempotency-Key": key, "Ce-Specversion": attribute,
			"Ce-Id": attribute, "Ce-Source": "/s", "Ce-Type": attribute, "Ce-User": attribute, "Ce-" + attribute: key, "Traceparent": attribute} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		var held body.Budget
		held.Set(4<<20, problem.New(problem.Limit, "full"))
		b := held.New()
		defer b.Release()
		asked := map[string]bool{}
		events, err := in.read(r, b, pub, func(s string) bool { asked[s] = true; return len(s)%7 > 0 })
		if err != nil {
			if p := (*problem.Problem)(nil); !errors.As(err, &p) || p.Status < 400 || p.Status > 499 || len(events) > 0 {
				t.Fatalf("%d events, %v", len(events), err)
			}
			return
		}
		if len(events) == 0 || len(events) > maxEvents {
			t.Fatalf("%d events", len(events))
		}
		for i := range events {
			if err := events[i].Check(); err != nil || !asked[events[i].Subject] {
				t.Fatalf("%q, asked %v: %v", events[i].Subject, asked, err)
			}
		}
	})
}

type nopCloser struct{ *strings.Reader }

func (nopCloser) Close() error { return nil }
