package upstream

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestAServerIsKnownInEachSpellingUntilNobodyAsksItAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ss, reg := &servers{log: slog.New(slog.DiscardHandler)}, prometheus.NewRegistry()
		if err := ss.show(reg); err != nil {
			t.Fatal(err)
		}
		get := func(scheme, host string) *server {
			t.Helper()
			s, err := ss.get(scheme, host)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		a := get("http", "Orders")
		if get("http", "orders:80") != a || get("http", "ORDERS:") != a || get("https", "orders:80") == a || get("h2c", "orders") == a {
			t.Error("servers are not what their targets name")
		}
		if get("https", "[2001:DB8::0:1]") != get("https", "[2001:db8::1]:443") {
			t.Error("an address is two")
		}
		for range maxFailures {
			a.health.failed()
		}
		aside := func(want float64) {
			t.Helper()
			families, err := reg.Gather()
			if n := families[0].GetMetric()[0].GetGauge().GetValue(); err != nil || n != want {
				t.Errorf("%v are set aside, not %v: %v", n, want, err)
			}
		}
		aside(1)
		time.Sleep(unusedTime)
		b := get("http", "b")
		if ss.known()[keyOf("http", "orders")] != a {
			t.Error("it is forgotten too early")
		}
		time.Sleep(2 * time.Second)
		aside(0)
		get("http", "c")
		if known := ss.known(); len(known) != 2 || known[keyOf("http", "b")] != b {
			t.Errorf("%d are known", len(known))
		}
	})
	if _, err := (&servers{}).get("http", ""); err == nil {
		t.Error("a server has no host")
	}
}
