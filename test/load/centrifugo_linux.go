package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"weft/test/load/crowd"
	"weft/test/stage"
)

// startCentrifugo starts Centrifugo 6 with a nats-server as its broker, and waits until both
// answer. What is published to a subject goes to the channel of that name as it is.
func startCentrifugo(ctx context.Context, binary, broker string) (*server, error) {
	dir, err := os.MkdirTemp("", "centrifugo-load-")
	if err != nil {
		return nil, err
	}
	s := &server{name: "centrifugo", ready: `"subs"`, end: func() { os.RemoveAll(dir) }}
	if err := s.openCentrifugo(ctx, binary, broker, dir); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (s *server) openCentrifugo(ctx context.Context, binary, broker, dir string) error {
	free, err := stage.FreeAddresses(2)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(free[0])
	if err != nil {
		return err
	}
	if _, err := s.launch(exec.Command(broker, "-a", host, "-p", port)); err != nil {
		return err
	}
	s.address, s.publish = free[1], "nats://"+free[0]
	if host, port, err = net.SplitHostPort(s.address); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"http_server": map[string]any{"address": host, "port": port},
		"log":         map[string]any{"level": "error"},
		"uni_sse":     map[string]any{"enabled": true},
		"health":      map[string]any{"enabled": true},
		"client":      map[string]any{"allow_anonymous_connect_without_token": true, "allowed_origins": []string{"*"}},
		"channel": map[string]any{"without_namespace": map[string]any{
			"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true}},
		"broker": map[string]any{"enabled": true, "type": "nats", "nats": map[string]any{
			"url": s.publish, "raw_mode": map[string]any{"enabled": true}}},
	})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "centrifugo.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for answers := func() bool { c, err := net.Dial("tcp", free[0]); return err == nil && c.Close() == nil }; !answers(); {
		if err := breathe(ctx); err != nil {
			return fmt.Errorf("start %s: %w", broker, err)
		}
	}
	if _, err := s.launch(exec.Command(binary, "--config", file)); err != nil {
		return err
	}
	for !healthy(ctx, "http://"+s.address+"/health") {
		if err := breathe(ctx); err != nil {
			return fmt.Errorf("start %s: %w", binary, err)
		}
	}
	s.sse = crowd.Target{URL: "http://" + s.address + "/connection/uni_sse?cf_connect=" +
		url.QueryEscape(`{"subs":{"`) + "{user}" + url.QueryEscape(`":{}}}`)}
	return nil
}

func healthy(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// breathe lets a process that starts get on.
func breathe(ctx context.Context) error {
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
