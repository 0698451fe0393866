package upstream

import (
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/route"
)

const (
	// idleConnections are kept to each server, for idleTime.
	idleConnections = 64
	idleTime        = 90 * time.Second
	// unusedTime is after how long without a request a server is forgotten.
	unusedTime = 10 * time.Minute
	// maxHead bounds the head of an answer in bytes; 1xx answers have one each.
	maxHead = 256 << 10
	// maxAhead bounds what is read ahead of a client in a stream of HTTP/2, in bytes.
	maxAhead = 256 << 10
	// continueTime is how long a server may take to ask for the body of a request that
	// waits to be asked.
	continueTime = time.Second
	// pingTime is after how long of silence a connection of HTTP/2 is tried, and pongTime
	// when it is then given up.
	pingTime, pongTime = 15 * time.Second, 15 * time.Second
)

// A serverKey is scheme and host:port.
type serverKey struct{ scheme, authority string }

// A server is one that targets name. Requests of all routes share its connections.
type server struct {
	name        string // for logs
	log         *slog.Logger
	credentials *credentials // nil: none
	transport   *http.Transport
	health      health
	used        atomic.Int64 // Unix time in seconds
}

// use notes that a request goes there.
func (s *server) use() {
	if now := time.Now().Unix(); s.used.Load() != now {
		s.used.Store(now)
	}
}

// unused reports whether no request went there for long.
func (s *server) unused(now time.Time) bool {
	return now.Unix()-s.used.Load() > int64(unusedTime/time.Second)
}

// servers are all that requests went to lately.
type servers struct {
	log         *slog.Logger
	credentials map[serverKey]*credentials

	all atomic.Pointer[map[serverKey]*server]
	mu  sync.Mutex // of changes
}

// get finds a server, or makes it.
func (ss *servers) get(scheme, host string) (*server, error) {
	if host == "" {
		return nil, errNoHost
	}
	key := keyOf(scheme, host)
	if s := ss.known()[key]; s != nil {
		s.use()
		return s, nil
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	all := maps.Clone(ss.known())
	if s := all[key]; s != nil {
		s.use()
		return s, nil
	}
	if all == nil {
		all = map[serverKey]*server{}
	}
	ss.forget(all)
	s := newServer(key, ss.credentials[key], ss.log)
	s.use()
	all[key] = s
	ss.all.Store(&all)
	return s, nil
}

func (ss *servers) known() map[serverKey]*server {
	if all := ss.all.Load(); all != nil {
		return *all
	}
	return nil
}

// forget removes those that are not used any more.
func (ss *servers) forget(all map[serverKey]*server) {
	now := time.Now()
	maps.DeleteFunc(all, func(_ serverKey, s *server) bool {
		unused := s.unused(now)
		if unused {
			s.transport.CloseIdleConnections()
		}
		return unused
	})
}

func (ss *servers) close() {
	for _, s := range ss.known() {
		s.transport.CloseIdleConnections()
	}
}

// show registers what one sees of servers. reg may be nil.
func (ss *servers) show(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "weft_route_targets_aside",
		Help: "Servers of routes that this node sets aside, since three connects in a row failed.",
	}, func() float64 {
		n := 0
		for _, s := range ss.known() {
			if aside, _ := s.health.aside(false); aside && !s.unused(time.Now()) {
				n++
			}
		}
		return float64(n)
	}))
}

// newServer makes a server without connections.
func newServer(key serverKey, known *credentials, log *slog.Logger) *server {
	s := &server{name: key.scheme + "://" + key.authority, log: log, credentials: known}
	protocols := &http.Protocols{}
	switch route.Scheme(key.scheme) {
	case route.H2C:
		protocols.SetUnencryptedHTTP2(true)
	case route.HTTPS:
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
	default:
		protocols.SetHTTP1(true)
	}
	s.transport = &http.Transport{
		DialContext: s.dial, DialTLSContext: s.dialTLS, Protocols: protocols,
		DisableCompression: true, ExpectContinueTimeout: continueTime,
		MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: maxHead,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: maxAhead, SendPingTimeout: pingTime, PingTimeout: pongTime},
	}
	return s
}
