package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"weft/test/load/crowd"
	"weft/test/stage"
)

// startLimit bounds how long a server may take to be ready.
const startLimit = 30 * time.Second

// startWeft starts a node on an empty data folder. Its end removes the folder.
func startWeft(ctx context.Context, binary string, o weftOptions) (*server, error) {
	dir, err := os.MkdirTemp("", "weft-load-")
	if err != nil {
		return nil, err
	}
	remove := func() { os.RemoveAll(dir) }
	subscribe := o.subscribe
	if subscribe == "" {
		subscribe = "user.{/sub}"
	}
	config := fmt.Sprintf(`
node: {name: load, data_dir: %q, listen: "127.0.0.1:0"}
public: {listen: "127.0.0.1:0"%s}
admin: {listen: "127.0.0.1:0"}
auth:
  issuers: [{keys: [{alg: HS256, secret: %q}]}]
  subscribe: [%q]
  allow: ["topic.>"]
`, filepath.Join(dir, "data"), o.tlsKeys(), secret, subscribe)
	file := filepath.Join(dir, "weft.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		remove()
		return nil, err
	}
	cmd := exec.Command(binary, "serve", "--config", file, "--log-format", "json")
	cmd.Env = stage.Environment()
	var ready struct{ Msg, Public, Admin, NATS string }
	s, err := start(ctx, "weft", cmd, func(line string) bool {
		return json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "ready"
	})
	if err != nil {
		remove()
		return nil, err
	}
	kill := s.end
	s.end = func() { kill(); remove() }
	s.sse = crowd.Target{
		URL:    "http://" + ready.Public + "/_weft/v1/events" + o.query,
		Header: []string{"Authorization: Bearer {token}"}, Token: minter(secret),
	}
	if o.tls != nil {
		s.sse.URL = "https" + strings.TrimPrefix(s.sse.URL, "http")
		s.sse.TLS = o.tls.trust
	}
	s.websocket = s.sse
	s.websocket.URL = "ws" + strings.TrimPrefix(s.sse.URL, "http")
	s.ready = "weft.open"
	s.publish = "nats://" + ready.NATS
	s.metrics = "http://" + ready.Admin + "/metrics"
	return s, nil
}

func (o weftOptions) tlsKeys() string {
	if o.tls == nil {
		return ""
	}
	return fmt.Sprintf(", tls: {cert: %q, key: %q}", o.tls.cert, o.tls.key)
}

// startBaseline starts the plain server.
func startBaseline(ctx context.Context, binary string) (*server, error) {
	address := ""
	s, err := start(ctx, "baseline", exec.Command(binary), func(line string) bool {
		var ok bool
		address, ok = strings.CutPrefix(line, "listening ")
		return ok
	})
	if err != nil {
		return nil, err
	}
	s.sse = crowd.Target{URL: "http://" + address + "/sse"}
	s.websocket = crowd.Target{URL: "ws://" + address + "/websocket"}
	s.publish = "http://" + address + "/publish"
	return s, nil
}

func start(ctx context.Context, name string, cmd *exec.Cmd, ready func(line string) bool) (*server, error) {
	process, err := stage.StartProcess(name, cmd)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if _, err := process.AwaitLine(ctx, ready); err != nil {
		process.Kill()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return &server{name: name, pid: cmd.Process.Pid, end: process.Kill}, nil
}
