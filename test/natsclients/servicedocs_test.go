package natsclients

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"weft/test/stage"
)

// serves is for a service that answers until it is ended.
func serves(t *testing.T, s *shell, m []string) {
	stage.PutRoute(t, s.node, "doc", stage.Route{"pattern": "/doc", "target": "nats://" + m[0], "auth": stage.Route{"mode": "none"}})
	awaitStatus(t, s.node, "/doc", http.StatusServiceUnavailable)
	ctx, end := context.WithCancel(t.Context())
	cmd := s.command(ctx)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		end()
		_ = cmd.Wait() // it was killed
	}()
	awaitStatus(t, s.node, "/doc", http.StatusOK)
	client := http.Client{Timeout: 20 * time.Second}
	answer, err := client.Get(s.node.URL() + "/doc")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || string(text) != m[1] {
		t.Errorf("it answers %q, %v", text, err)
	}
}

// seesServices is for a list of the services that there are.
func seesServices(t *testing.T, s *shell, _ []string) {
	nc, err := nats.Connect("nats://"+s.node.NATSAddress(), nats.Timeout(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, err = micro.AddService(nc, micro.Config{Name: "stock", Version: "1.0.0"})
	if err = errors.Join(err, nc.Flush()); err != nil {
		t.Fatal(err)
	}
	if out := s.run(""); !strings.Contains(out, "stock") {
		t.Errorf("it printed %q, want the service", out)
	}
}
