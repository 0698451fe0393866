package jetstream

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
	// nodeInbox is the inbox prefix of the nodes' own connections: no other
	// user may subscribe to it.
	nodeInbox = "_WEFT"

	// maxStore is beyond any sum of the streams' own bounds. They alone bound the
	// disk: nobody but nodes makes streams, and a node with a greater
	// events.max_bytes must not be refused by those that still have the old one.
	maxStore = 1 << 50
	// clientPending bounds what the server buffers for one NATS client; the
	// node's own live connection needs room for bursts.
	clientPending = 256 << 20

	startTimeout = 10 * time.Second
)

var errServerGone = errors.New("the embedded server is not running")

// An embedded is the NATS server of a node. It can be restarted in the process;
// connections made through InProcessConn then reconnect to the new one.
type embedded struct {
	cfg      serverConfig
	log      *slog.Logger
	limited  *ratelog.Log // of what clients and strangers can cause
	token    string       // the node's name as a subject token
	password string       // of the node's own users, made at boot, never leaves the machine
	faults   *linkFaults
	formed   bool     // the node was in a cluster before it was started
	met      []string // addresses of the nodes that it forms a cluster with
	links    *linkTLS // from the first start on; nil without cluster.tls

	mu   sync.Mutex
	srv  *natsserver.Server
	url  string
	port int // of the first start
}

func newEmbedded(cfg serverConfig, log *slog.Logger) *embedded {
	return &embedded{cfg: cfg, log: log, limited: ratelog.New(log, time.Now), token: tokenOf(cfg.Node.Name), password: rand.Text(), faults: newLinkFaults(cfg.Node.Name, log)}
}

// start runs a new server. It fails when a port is taken or the data folder
// cannot be used.
func (e *embedded) start(ctx context.Context) error {
	opts, err := e.options(true)
	if err != nil {
		return err
	}
	if e.cfg.Cluster != nil {
		if err := e.clusterOptions(opts, e.routes(ctx)); err != nil {
			return err
		}
	}
	srv, err := e.launch(opts)
	if err != nil {
		return err
	}
	e.adopt(srv)
	return nil
}

// startBare runs a server without a store, which only meets others.
func (e *embedded) startBare(routes []string) error {
	opts, err := e.options(false)
	if err != nil {
		return err
	}
	if err := e.clusterOptions(opts, routes); err != nil {
		return err
	}
	srv, err := e.launch(opts)
	if err != nil {
		return err
	}
	e.adopt(srv)
	return nil
}

func (e *embedded) launch(opts *natsserver.Options) (*natsserver.Server, error) {
	if err := probe("listen for NATS clients (node.listen)", e.cfg.Node.Listen); err != nil {
		return nil, err
	}
	if e.cfg.Cluster != nil {
		if err := probe("listen for other nodes (cluster.listen)", e.cfg.Cluster.Listen); err != nil {
			return nil, err
		}
	}
	srv, err := natsserver.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("make embedded server: %w", err)
	}
	fatal := make(chan string, 1)
	srv.SetLoggerV2(&serverLog{log: e.log, limited: e.limited, faults: e.faults, fatal: fatal}, false, false, false)
	srv.Start()
	if err := waitReady(srv, fatal); err != nil {
		stop(srv)
		return nil, err
	}
	return srv, nil
}

// adopt makes srv the server that runs. A restart keeps its port, also when the
// first was chosen freely.
func (e *embedded) adopt(srv *natsserver.Server) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.srv, e.url = srv, srv.ClientURL()
	if addr, ok := srv.Addr().(*net.TCPAddr); ok {
		e.port = addr.Port
	}
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

// stop ends the server and waits until all is on disk. It may be called again.
func (e *embedded) stop() {
	e.mu.Lock()
	srv := e.srv
	e.srv, e.url = nil, "" // whoever listens there next must not be taken for it
	e.mu.Unlock()
	if srv != nil {
		stop(srv)
	}
}

func (e *embedded) running() *natsserver.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.srv
}

// runs reports whether a server runs.
func (e *embedded) runs() bool { return e.running() != nil }

// nameToken is the node's name as a subject token.
func (e *embedded) nameToken() string { return e.token }

// because is why another node is not linked, to be put behind a sentence; "" when that
// is not known.
func (e *embedded) because() string { return e.faults.because() }

// clientURL is where NATS clients reach the server; "" while none runs.
func (e *embedded) clientURL() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.url
}

// interest reports whether anybody in the cluster subscribes to a subject of the nodes.
func (e *embedded) interest(subject string) bool { return e.interestIn(accountNodes, subject) }

// interestIn reports whether anybody subscribes to a subject of an account.
func (e *embedded) interestIn(account, subject string) bool {
	srv := e.running()
	if srv == nil {
		return false
	}
	acc, err := srv.LookupAccount(account)
	return err == nil && acc.SubscriptionInterest(subject)
}

// options of a server, with or without a store.
func (e *embedded) options(store bool) (*natsserver.Options, error) {
	host, port, err := net.SplitHostPort(e.cfg.Node.Listen)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		n = natsserver.RANDOM_PORT
		if e.port != 0 {
			n = e.port
		}
	}
	if host == "" {
		host = "0.0.0.0"
	}
	opts := &natsserver.Options{
		ServerName: e.cfg.Node.Name, Host: host, Port: n,
		NoSigs: true, NoLog: false, DisableJetStreamBanner: true,
		SystemAccount: accountSystem,
		JetStream:     store, StoreDir: e.cfg.Node.DataDir,
		JetStreamMaxMemory: 16 << 20,
		JetStreamMaxStore:  maxStore,
		MaxPayload:         event.MaxPayload, MaxPending: clientPending,
		WriteDeadline: 10 * time.Second,
	}
	return opts, e.configureAccounts(opts)
}
