package edge

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/access"
	"weft/edge/proxy"
	"weft/edge/proxy/reply"
	"weft/edge/proxy/service"
	"weft/edge/proxy/upstream"
	"weft/edge/route"
)

// Kafka is the target of routes to topics, and the reader of those by which answers come.
type Kafka interface {
	http.RoundTripper
	reply.Topics
}

// forward makes what serves the requests that are not Weft's own, with all targets that
// routes can have.
func (e *Edge) forward(who *access.Authenticator, reg prometheus.Registerer) (*proxy.Proxy, error) {
	var err error
	if e.upstreams, err = upstream.New(e.cfg.Upstreams, e.log, reg); err != nil {
		return nil, err
	}
	e.deps.Waiting.AnswerNodes(e.deps.Node.RPC)
	answered := &reply.Transport{Next: e.upstreams, Topics: e.deps.Kafka}
	targets := map[route.Scheme]http.RoundTripper{
		route.HTTP: answered, route.HTTPS: answered, route.H2C: answered, route.NATS: service.New(e.deps.Services),
	}
	if e.deps.Kafka != nil {
		targets[route.Kafka] = &reply.Transport{Next: e.deps.Kafka, Topics: e.deps.Kafka}
	}
	return proxy.New(proxy.Params{
		Table: e.deps.Routes.Table, Auth: who, Guard: e.guard, Ready: e.ready.refuse,
		Targets: targets, Upstreams: e.upstreams, Waiting: e.deps.Waiting,
		Logs: e.cfg.Log.RoutesLog, Recorder: e.deps.Recorder, Log: e.log,
	}, reg)
}
