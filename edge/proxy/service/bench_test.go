package service_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/testlog"
	"weft/edge/proxy/service"
	"weft/edge/route"
	"weft/jetstream"
)

// BenchmarkRouteToAService compares a request through the target, with the headers that it
// makes, with one of the client library with the same ones, of 1 KiB each.
func BenchmarkRouteToAService(b *testing.B) {
	cfg := jetstream.Default()
	cfg.Node.Name, cfg.Node.DataDir, cfg.Node.Listen = "n1", b.TempDir(), "127.0.0.1:0"
	n := jetstream.New(cfg, testlog.To(b), prometheus.NewRegistry())
	if err := n.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { n.Close() })
	nc, err := nats.Connect(n.ClientURL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	if _, err := nc.Subscribe("svc.orders.*", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		b.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		b.Fatal(err)
	}
	found, bad := route.Parse("orders", []byte(`{"pattern":"/orders/{id}","target":"nats://svc.orders.{id}"}`))
	if bad != nil {
		b.Fatal(bad)
	}
	body := bytes.Repeat([]byte("x"), 1<<10)
	made := func() *http.Request {
		in := httptest.NewRequest(http.MethodPost, "/orders/7?x=1", bytes.NewReader(body))
		in.Header["Content-Type"], in.Header["Accept"] = []string{"application/json"}, []string{"*/*"}
		return in
	}
	heap := make([]byte, 64<<20) // of a node that serves; else most is the collector's work
	defer runtime.KeepAlive(heap)
	target := service.New(n.Services())
	header := nats.Header((&route.Call{Route: found, Request: made(), User: "ann", RequestID: "r1"}).MessageHeader())
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			if _, err := n.Services().Request(b.Context(), &nats.Msg{Subject: "svc.orders.7", Header: header, Data: body}); err != nil {
				b.Fatal(err)
			}
		}
	})
	in := made()
	b.Run("target", func(b *testing.B) {
		for b.Loop() {
			call := &route.Call{Route: found, Request: in, Values: []string{"7"}, User: "ann", RequestID: "r1"}
			r := in.WithContext(route.WithCall(in.Context(), call))
			r.Body, r.Header = io.NopCloser(bytes.NewReader(body)), call.MessageHeader()
			res, err := target.RoundTrip(r)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
