package edge

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/access"
	"weft/edge/proxy"
	"weft/edge/proxy/service"
	"weft/edge/proxy/upstream"
	"weft/edge/route"
)

// forward makes what serves the requests that are not Weft's own, with all targets that
// routes can have.
func (e *Edge) forward(who *access.Authenticator, reg prometheus.Registerer) (*proxy.Proxy, error) {
	servers, err := upstream.New(e.log, reg)
	if err != nil {
		return nil, err
	}
	targets := map[route.Scheme]http.RoundTripper{
		route.HTTP: servers, route.HTTPS: servers, route.H2C: servers, route.NATS: service.New(e.deps.Services),
	}
	if e.deps.Kafka != nil {
		targets[route.Kafka] = e.deps.Kafka
	}
	return proxy.New(proxy.Params{
		Table: e.deps.Routes.Table, Auth: who, Guard: e.guard, Ready: e.ready.refuse,
		Targets: targets, Upstreams: servers, Waiting: e.deps.Waiting, Log: e.log,
	}, reg)
}
