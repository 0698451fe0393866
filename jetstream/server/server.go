package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"weft/jetstream/event"
	"weft/jetstream/ratelog"
)

const (
	// NodeInbox is the inbox prefix of the nodes' own connections: no other
	// user may subscribe to it.
	NodeInbox = "_WEFT"

	// maxStore is beyond any sum of the streams' own bounds. They alone bound the
	// disk: nobody but nodes makes streams, and a node with a greater
	// events.max_bytes must not be refused by those that still have the old one.
	maxStore = 1 << 50
	// clientPending bounds what the server buffers for one NATS client; the
	// node's own live connection needs room for bursts.
	clientPending = 256 << 20

	// startTimeout bounds a start, which reads all that is stored.
	startTimeout = 10 * time.Second
)

var errServerGone = errors.New("the embedded server is not running")

// A Server is the NATS server of a node. It can be stopped and started again in the
// process; connections made by Connect then reconnect to the new one. Form, Start and
// Stop are called by one goroutine at a time, all else may be called concurrently.
type Server struct {
	cfg     Config
	log     *slog.Logger
	limited *ratelog.Log // of what clients and strangers can cause
	token   string       // the node's name as a subject token
	own     ownAccess    // made at boot
	faults  *linkFaults
	formed  bool     // the node was in a cluster before it was started
	met     []string // addresses of the nodes that it forms a cluster with
	links   *linkTLS // from the first start on; nil without cluster.tls

	mu   sync.Mutex
	srv  *natsserver.Server
	url  string
	port int // of the first start
}

// New makes a server; it is started by Start, after Form.
func New(cfg Config, log *slog.Logger) *Server {
	return &Server{cfg: cfg, log: log, limited: ratelog.New(log, time.Now), token: tokenOf(cfg.Node.Name), own: ownAccess{rand.Text(), askPrefix + rand.Text() + ".", writtenPrefix + rand.Text() + "."}, faults: newLinkFaults(cfg.Node.Name, log)}
}

// Start runs a new server. It fails when a port is taken or the data folder
// cannot be used. It is not called while a server runs.
func (s *Server) Start(ctx context.Context) error {
	var routes []string
	if s.cfg.Cluster != nil {
		routes = s.routes(ctx)
	}
	return s.run(routes, true)
}

// run runs a server that calls other nodes; without a store it only meets them. A
// restart keeps the port, also when the first was chosen freely.
func (s *Server) run(routes []string, store bool) error {
	s.mu.Lock()
	port := s.port
	s.mu.Unlock()
	opts, err := options(&s.cfg, port, store)
	if err != nil {
		return err
	}
	if err := configureAccounts(opts, &s.cfg, s.Publishers(), s.own); err != nil {
		return err
	}
	if err := probe("listen for NATS clients (node.listen)", s.cfg.Node.Listen); err != nil {
		return err
	}
	if s.cfg.Cluster != nil {
		setRaftTimers(s.cfg.Cluster.Failover)
		if err := s.clusterOptions(opts, routes); err != nil {
			return err
		}
		if err := probe("listen for other nodes (cluster.listen)", s.cfg.Cluster.Listen); err != nil {
			return err
		}
	}
	srv, err := launch(opts, &serverLog{log: s.log, limited: s.limited, faults: s.faults})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.srv, s.url = srv, srv.ClientURL()
	if addr, ok := srv.Addr().(*net.TCPAddr); ok {
		s.port = addr.Port
	}
	return nil
}

// launch starts a server and returns when it takes connections.
func launch(opts *natsserver.Options, log *serverLog) (*natsserver.Server, error) {
	srv, err := natsserver.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("make embedded server: %w", err)
	}
	fatal := make(chan string, 1)
	log.fatal = fatal
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	if err := waitReady(srv, fatal); err != nil {
		stop(srv)
		return nil, err
	}
	return srv, nil
}

func waitReady(srv *natsserver.Server, fatal <-chan string) error {
	deadline := time.Now().Add(startTimeout)
	for !srv.ReadyForConnections(50 * time.Millisecond) {
		select {
		case msg := <-fatal:
			return fmt.Errorf("start embedded server: %s", msg)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("start embedded server: not ready after %v", startTimeout)
		}
	}
	return nil
}

// probe finds out whether the address can be listened on, since the server
// itself only logs that it cannot.
func probe(what, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return ln.Close()
}

func stop(srv *natsserver.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// Stop ends the server and waits until all is on disk. It may be called again.
func (s *Server) Stop() {
	s.mu.Lock()
	srv := s.srv
	s.srv, s.url = nil, "" // whoever listens there next must not be taken for it
	s.mu.Unlock()
	if srv != nil {
		stop(srv)
	}
}

// running is the server that runs, or nil.
func (s *Server) running() *natsserver.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.srv
}

// Running reports whether a server runs.
func (s *Server) Running() bool { return s.running() != nil }

// Token is the node's name as a subject token.
func (s *Server) Token() string { return s.token }

// LinkFault is why another node is not linked, to be put behind a sentence; "" when that
// is not known.
func (s *Server) LinkFault() string { return s.faults.because() }

// ClientURL is where NATS clients reach the server; "" while none runs.
func (s *Server) ClientURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// Interest reports whether anybody in the cluster subscribes to a subject of the nodes.
func (s *Server) Interest(subject string) bool { return s.InterestIn(accountNodes, subject) }

// InterestIn reports whether anybody subscribes to a subject of an account.
func (s *Server) InterestIn(account, subject string) bool {
	srv := s.running()
	if srv == nil {
		return false
	}
	acc, err := srv.LookupAccount(account)
	return err == nil && acc.SubscriptionInterest(subject)
}

// options are those of a server, with or without a store, that had this port before; 0
// is none.
func options(cfg *Config, port int, store bool) (*natsserver.Options, error) {
	host, text, err := net.SplitHostPort(cfg.Node.Listen)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		n = natsserver.RANDOM_PORT
		if port != 0 {
			n = port
		}
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return &natsserver.Options{
		ServerName: cfg.Node.Name, Host: host, Port: n,
		NoSigs: true, NoLog: false, DisableJetStreamBanner: true,
		SystemAccount: accountSystem,
		JetStream:     store, StoreDir: cfg.Node.DataDir,
		JetStreamMaxMemory: 16 << 20,
		JetStreamMaxStore:  maxStore,
		MaxPayload:         event.MaxPayload, MaxPending: clientPending,
		WriteDeadline: 10 * time.Second, JetStreamMaxCatchup: catchUpUnderWay,
	}, nil
}
