package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"weft/test/load/crowd"
	"weft/test/stage"
)

// startWeft starts a node, or a cluster, on empty data folders and waits until all
// of it is ready.
func startWeft(ctx context.Context, p program, o weftOptions) (*server, error) {
	dir, err := os.MkdirTemp("", "weft-load-")
	if err != nil {
		return nil, err
	}
	s := &server{name: "weft", ready: "weft.open", end: func() { os.RemoveAll(dir) }}
	if err := s.openWeft(ctx, p, dir, o); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (s *server) openWeft(ctx context.Context, p program, dir string, o weftOptions) error {
	n := max(1, o.nodes)
	links, err := stage.FreeAddresses(n)
	if err != nil {
		return err
	}
	nodes := make([]*stage.Process, n)
	for i := range nodes {
		name := fmt.Sprintf("n%d", i+1)
		config := o.config(name, filepath.Join(dir, name))
		if n > 1 {
			config += clusterKeys(links, i)
		}
		file := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return err
		}
		cmd := exec.Command(p.binary, "serve", "--config", file, "--log-format", "json")
		cmd.Env = append(stage.Environment(), p.environ...)
		if nodes[i], err = s.launch(cmd); err != nil {
			return err
		}
	}
	s.sse = crowd.Target{Header: []string{"Authorization: Bearer {token}"}, Token: minter(secret)}
	for i, node := range nodes {
		var ready struct{ Msg, Public, Admin, NATS string }
		if err := s.await(ctx, node, func(line string) bool {
			return json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "ready"
		}); err != nil {
			return err
		}
		s.sse.Hosts = append(s.sse.Hosts, ready.Public)
		if i == 0 {
			s.sse.URL = "http://" + ready.Public + "/_weft/v1/events" + o.query
			s.address, s.publish = ready.Public, "nats://"+ready.NATS
			s.metrics = "http://" + ready.Admin + "/metrics"
		}
	}
	if o.tls != nil {
		s.sse.URL = "https" + strings.TrimPrefix(s.sse.URL, "http")
		s.sse.TLS = o.tls.trust
	}
	s.websocket = s.sse
	s.websocket.URL = "ws" + strings.TrimPrefix(s.sse.URL, "http")
	return nil
}

// config is that of a standalone node.
func (o weftOptions) config(name, dir string) string {
	subscribe, tls := o.subscribe, ""
	if subscribe == "" {
		subscribe = "user.{/sub}"
	}
	if o.tls != nil {
		tls = fmt.Sprintf(", tls: {cert: %q, key: %q}", o.tls.cert, o.tls.key)
	}
	return fmt.Sprintf(`
node: {name: %s, data_dir: %q, listen: "127.0.0.1:0"}
public: {listen: "127.0.0.1:0"%s}
admin: {listen: "127.0.0.1:0"}
auth:
  issuers: [{keys: [{alg: HS256, secret: %q}]}]
  subscribe: [%q]
  allow: ["topic.>"]
%s`, name, dir, tls, secret, subscribe, o.routes)
}

// clusterKeys makes it node i of a cluster whose nodes link at these addresses.
func clusterKeys(links []string, i int) string {
	return fmt.Sprintf(`
cluster: {size: %d, listen: %q, seeds: ["%s"], secret: %q}
`, len(links), links[i], strings.Join(links, `", "`), secret)
}

// startBaseline starts a plain server.
func startBaseline(ctx context.Context, binary string, args ...string) (*server, error) {
	s := &server{name: "baseline", end: func() {}}
	process, err := s.launch(exec.Command(binary, args...))
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, process, func(line string) bool {
		var ok bool
		s.address, ok = strings.CutPrefix(line, "listening ")
		return ok
	}); err != nil {
		s.end()
		return nil, err
	}
	s.sse = crowd.Target{URL: "http://" + s.address + "/sse"}
	s.websocket = crowd.Target{URL: "ws://" + s.address + "/websocket"}
	s.publish = "http://" + s.address + "/publish"
	return s, nil
}

// launch starts a process, which ends with the server.
func (s *server) launch(cmd *exec.Cmd) (*stage.Process, error) {
	process, err := stage.StartProcess(s.name, cmd)
	if err != nil {
		return nil, err
	}
	before := s.end
	s.end = func() { process.Kill(); before() }
	s.pids = append(s.pids, cmd.Process.Pid)
	return process, nil
}

// await waits for the line of output with which a process says that it is ready.
func (s *server) await(ctx context.Context, process *stage.Process, ready func(line string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if _, err := process.AwaitLine(ctx, ready); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	return nil
}
