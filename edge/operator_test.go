package edge_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"weft/config"
	"weft/edge"
	"weft/edge/transport"
	"weft/jetstream"
)

func TestTheAdminListenerTellsOfHealthAndMetrics(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Admin.Token = "operator" })
	s.connect(transport.SSE, visitor{token: s.token("ann", nil)}).opened()
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": "ready\n", "/metrics": `weft_edge_connections{transport="sse"} 1`,
	} {
		if resp, body := s.do("GET", "admin:"+path, "", ""); resp.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("GET %s answers %d %.200s", path, resp.StatusCode, body)
		}
	}
}

func TestTheAdminTokenIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Admin.Token = "operator" })
	for token, want := range map[string]int{"": 401, "wrong": 401, "operator ": 200, "operator": 200, "operato": 401} {
		if resp, _ := s.do("GET", "admin:/_weft/v1/users", token, ""); resp.StatusCode != want {
			t.Errorf("with token %q: %d, want %d", token, resp.StatusCode, want)
		}
	}
}

func TestTheAdminListenerAnswersToItsNamesOnly(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Admin.Hosts = []string{"weft.internal"} })
	for host, want := range map[string]int{"weft.internal:4010": 200, "localhost": 200, "evil.example.com": 421} {
		if resp, _ := s.do("GET", "admin:/_weft/v1/users", "", "", "Host", host); resp.StatusCode != want {
			t.Errorf("as %s: %d, want %d", host, resp.StatusCode, want)
		}
	}
	if resp, _ := s.do("POST", "admin:/_weft/v1/drain", "", "", "Origin", "https://evil.example.com"); resp.StatusCode != 403 {
		t.Errorf("from another site: %d", resp.StatusCode)
	}
}

func TestUsersAndTheirConnections(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for _, user := range []string{"carl", "ann", "b/o b"} {
		s.connect(transport.SSE, visitor{token: s.token(user, map[string]any{"jti": "of " + user}), query: params("subject", "topic.hotel.1"),
			header: map[string][]string{"User-Agent": {"test"}}}).opened()
	}
	s.connect(transport.WebSocket, visitor{token: s.token("ann", nil)}).opened()
	get := func(path string, into any) {
		t.Helper()
		resp, body := s.do("GET", "admin:/_weft/v1/"+path, "", "")
		if resp.StatusCode != 200 {
			t.Fatalf("GET %s: %d %s", path, resp.StatusCode, body)
		}
		s.must(json.Unmarshal([]byte(body), into))
	}
	type list struct {
		Items []struct {
			User, Name  string
			Ready       bool
			Connections int
		}
		Next      string
		Followers int
	}
	if _, body := s.do("GET", "admin:/_weft/v1/users", "", ""); !strings.Contains(body, `"next":""`) {
		t.Errorf("the last page does not say so: %s", body)
	}
	var first, second, topic, nodes list
	get("users?limit=2", &first)
	get("users?limit=2&after="+strings.ReplaceAll(first.Next, " ", "%20"), &second)
	if len(first.Items) != 2 || first.Items[0].User != "ann" || first.Items[0].Connections != 2 || first.Next != "b/o b" ||
		len(second.Items) != 1 || second.Items[0].User != "carl" || second.Next != "" {
		t.Errorf("users: %+v, %+v", first, second)
	}
	var bob struct {
		Connections []struct {
			ID, Node, Transport, Address, Agent, Session string
			Since                                        time.Time
		}
	}
	get("users/b%2Fo%20b", &bob)
	if len(bob.Connections) != 1 {
		t.Fatalf("bob: %+v", bob)
	}
	if c := bob.Connections[0]; len(c.ID) != 22 || c.Node != "n1" || c.Transport != "sse" || c.Address != "127.0.0.1" ||
		c.Agent != "test" || c.Session != "of b/o b" || time.Since(c.Since) > time.Minute {
		t.Errorf("bob's connection: %+v", c)
	}
	get("topics/hotel.1", &topic)
	if topic.Followers != 3 || len(topic.Items) != 3 || topic.Items[2].User != "carl" {
		t.Errorf("topic: %+v", topic)
	}
	get("nodes", &nodes)
	if len(nodes.Items) != 1 || nodes.Items[0].Name != "n1" || !nodes.Items[0].Ready || nodes.Items[0].Connections != 4 {
		t.Errorf("nodes: %+v", nodes)
	}
	for path, want := range map[string]int{"users?limit=0": 400, "topics/a..b": 400, "streams": 404, "": 404} {
		if resp, _ := s.do("GET", "admin:/_weft/v1/"+path, "", ""); resp.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	if resp, _ := s.do("POST", "admin:/_weft/v1/users", "", ""); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET" {
		t.Errorf("POST users: %d, Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
}

func TestTheBlacklistOverHTTP(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for _, w := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "blacklist/device%201", "", 204},
		{"PUT", "blacklist/user.ann@x.org?ttl=1h", "", 204},
		{"PUT", "blacklist/third", `{"value":"lost phone","ttl":"90m"}`, 204},
		{"PUT", "blacklist/x", `{"ttl":"soon"}`, 400},
		{"PUT", "blacklist/x", `{"until":"tomorrow"}`, 400},
		{"PUT", "blacklist/" + strings.Repeat("x", 300), "", 400},
		{"GET", "blacklist/unknown", "", 404},
	} {
		if resp, body := s.do(w.method, "admin:/_weft/v1/"+w.path, "", w.body); resp.StatusCode != w.status {
			t.Errorf("%s %s %s: %d %s", w.method, w.path, w.body, resp.StatusCode, body)
		}
	}
	s.eventually("the mirror has all", func() bool {
		_, body := s.do("GET", "admin:/_weft/v1/blacklist", "", "")
		return strings.Count(body, `"key"`) == 3
	})
	for path, want := range map[string]string{
		"blacklist/third":          `"value":"lost phone"`,
		"blacklist/device%201":     `"session":"device 1"`,
		"blacklist/user.ann@x.org": `"key":"user.ann=40x=2Eorg","user":"ann@x.org"`,
		"blacklist?limit=1":        `"next":"device=201"`,
	} {
		if resp, body := s.do("GET", "admin:/_weft/v1/"+path, "", ""); resp.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d %s, want %s", path, resp.StatusCode, body, want)
		}
	}
	if resp, _ := s.do("DELETE", "admin:/_weft/v1/blacklist/third", "", ""); resp.StatusCode != 204 {
		t.Errorf("DELETE: %d", resp.StatusCode)
	}
	s.eventually("it is gone", func() bool {
		resp, _ := s.do("GET", "admin:/_weft/v1/blacklist/third", "", "")
		return resp.StatusCode == 404
	})
}

func TestDrainIsHandedOn(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	if resp, body := s.do("POST", "admin:/_weft/v1/drain", "", ""); resp.StatusCode != 202 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	s.eventually("the callback was called", func() bool { return s.drains.Load() == 1 })
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*edge.Config)
		key    string
	}{
		"address":       {func(c *edge.Config) { c.Public.Listen = "4000" }, "public.listen"},
		"half of TLS":   {func(c *edge.Config) { c.Public.TLS = &config.KeyPair{Cert: "x"} }, "public.tls.key"},
		"tiny queue":    {func(c *edge.Config) { c.Public.QueueBytes = 1 }, "public.queue_bytes"},
		"origin":        {func(c *edge.Config) { c.Public.CORSOrigins = []string{"*"} }, "public.cors_origins[0]"},
		"proxy":         {func(c *edge.Config) { c.Public.TrustedProxies = []string{"x"} }, "public.trusted_proxies[0]"},
		"limit":         {func(c *edge.Config) { c.Public.Limits.PerUser = -1 }, "public.limits.per_user"},
		"keepalive":     {func(c *edge.Config) { c.Public.Keepalive = 0 }, "public.keepalive"},
		"write timeout": {func(c *edge.Config) { c.Public.WriteTimeout = 0 }, "public.write_timeout"},
		"window":        {func(c *edge.Config) { c.Public.DrainWindow = -1 }, "public.drain_window"},
		"delay":         {func(c *edge.Config) { c.Public.DrainDelay = time.Hour }, "public.drain_delay"},
		"open admin":    {func(c *edge.Config) { c.Admin.Listen = "0.0.0.0:4010" }, "admin.token"},
		"admin host":    {func(c *edge.Config) { c.Admin.Hosts = []string{"http://x"} }, "admin.hosts[0]"},
		"auth":          {func(c *edge.Config) { c.Auth.Mode = "maybe" }, "auth.mode"},
	} {
		cfg := edge.Default()
		if errs := cfg.Check(); len(errs) != 0 {
			t.Fatalf("the defaults are refused: %v", errs)
		}
		c.change(&cfg)
		errs := cfg.Check()
		if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), c.key+": ") {
			t.Errorf("%s: %v, want one error of %s", name, errs, c.key)
		}
	}
}
