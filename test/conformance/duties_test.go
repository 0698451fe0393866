package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
)

// duties are what the protocol says of clients.
func duties() []duty {
	answered := []client.Transport{client.SSE, client.Poll}
	sse, poll, socket := []client.Transport{client.SSE}, []client.Transport{client.Poll}, []client.Transport{client.WebSocket}
	refusedBy := func(status int, code, after string) func(int, asked) []step {
		return func(int, asked) []step { return []step{{status: status, code: code, after: after}} }
	}
	closedBy := func(about frame) func(int, asked) []step { return heardThen(own("close", "", about)) }
	return []duty{
		{"client.cursor", nil, heardThen(), comesBack("c2")},
		{"client.any", nil, heardThen(own("keepalive", "c2b", frame{})), comesBack("c2b")},
		{"client.unknown", nil, heardThen(own("tomorrow", "", frame{"a": 1})), comesBack("c2")},
		{"client.members", lasting, func(n int, a asked) []step {
			steps := heardThen()(n, a)
			for _, x := range steps {
				if x.frame != nil {
					x.frame["tomorrow"] = []any{1}
				}
			}
			return steps
		}, comesBack("c2")},
		{"client.doubles", nil, func(n int, _ asked) []step {
			if n == 0 {
				return []step{opens("c0"), numbered(1, "e1", "c1"), numbered(2, "e2", "c2")}
			}
			return []step{opens("c1"), numbered(2, "e2", "c2b"), numbered(3, "e3", "c3"), {wait: time.Second}}
		}, func(t *testing.T, _ *script, d *driven) {
			waitfor.True(t, func() bool { return strings.HasSuffix(d.numbers(), "3") })
			if got := d.numbers(); got != "1 2 3" {
				t.Errorf("it hands on %s", got)
			}
		}},
		{"client.reset", nil, func(n int, _ asked) []step {
			if n == 0 {
				return []step{opens("c0"), own("reset", "c5", frame{"subjects": []any{"topic.hall.a"}, "reason": "trimmed"})}
			}
			return []step{stays}
		}, func(t *testing.T, s *script, d *driven) {
			if got := d.await("weft.reset", 1); !strings.Contains(string(got[0].Data), "topic.hall.a") {
				t.Errorf("it tells of %s", got[0].Data)
			}
			if a := s.awaitAsked(1); s.kind != client.Poll && a.id != "c5" {
				t.Errorf("it comes back with %q", a.id)
			}
		}},
		{"client.silent", lasting, func(n int, _ asked) []step {
			first := opens(fmt.Sprint("c", n))
			first.frame["data"].(frame)["keepalive"] = 1
			return []step{first, stays}
		}, func(t *testing.T, s *script, _ *driven) {
			second, first := s.awaitAsked(1), s.awaitAsked(0)
			if after := second.at.Sub(first.at); after < 2*time.Second || after > 30*time.Second {
				t.Errorf("it comes back after %v", after)
			}
		}},
		{"client.wait", lasting, closedBy(frame{"reason": "limit", "reconnect": true, "retry": 2500}), waits(2400 * time.Millisecond)},
		{"client.after", answered, refusedBy(503, "not_ready", "2"), waits(2 * time.Second)},
		{"client.longer", answered, refusedBy(503, "not_ready", ""), longer},
		{"client.longer", socket, func(int, asked) []step { return nil }, longer},
		{"client.unheard", lasting, closedBy(frame{"reason": "tomorrow", "reconnect": true}), comesBack("c2")},
		{"client.final", lasting, closedBy(frame{"reason": "disconnected", "reconnect": false}), closes(1)},
		{"client.forbidden", answered, refusedBy(403, "forbidden", ""), closes(1)},
		{"client.forbidden", answered, refusedBy(400, "bad_subject", ""), closes(1)},
		{"client.between", answered, refusedBy(403, "", ""), func(_ *testing.T, s *script, _ *driven) { s.awaitAsked(2) }},
		{"client.expired", lasting, closedBy(frame{"reason": "expired", "reconnect": true}), refreshed},
		{"client.token", answered, refusedBy(401, "token_expired", ""), func(t *testing.T, s *script, d *driven) {
			refreshed(t, s, d)
			d.await("closed", 1)
			all, _ := s.seen()
			// Who was refused after a while may have had a token that was good when it asked.
			if late := int(all[len(all)-1].at.Sub(all[0].at) / time.Second); len(all) > 2+late {
				t.Errorf("asked %d times: %+v", len(all), all)
			}
		}},
		{"client.refresh", lasting, func(n int, _ asked) []step {
			steps := []step{opens("c0"), own("expiring", "", frame{"in": 2})}
			for range 100 {
				steps = append(steps, step{wait: 300 * time.Millisecond, frame: own("keepalive", "", frame{}).frame})
			}
			return steps
		}, func(t *testing.T, s *script, _ *driven) {
			var commands []frame
			waitfor.True(t, func() bool { _, commands = s.seen(); return len(commands) > 0 })
			all, _ := s.seen()
			if token := commands[0]["token"]; len(all) != 1 || token == nil || token == all[0].token {
				t.Errorf("asked %+v, commands %v", all, commands)
			}
		}},
		{"client.sse", sse, inPieces, comesBack("c2")},
		{"client.pong", socket, func(int, asked) []step { return []step{opens("c0"), {ping: true}, stays} }, func(t *testing.T, s *script, _ *driven) {
			waitfor.True(t, func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.pongs > 0
			})
		}},
		{"client.empty", poll, func(int, asked) []step { return nil }, func(t *testing.T, s *script, _ *driven) {
			if second, sixth := s.awaitAsked(1), s.awaitAsked(5); sixth.at.Sub(second.at) < time.Second {
				t.Errorf("it polls five times within %v", sixth.at.Sub(second.at))
			}
		}},
		{"client.keeps", poll, func(n int, _ asked) []step {
			if n == 0 {
				return []step{numbered(1, "e1", "c1"), numbered(2, "e2", "c2")}
			}
			return []step{{frame: frame{"id": "", "type": "weft.keepalive"}}}
		}, func(t *testing.T, s *script, _ *driven) {
			if a := s.awaitAsked(2); a.id != "c2" {
				t.Errorf("it comes back with %q", a.id)
			}
		}},
		{"client.publish", sse, func(int, asked) []step { return []step{opens("c0"), stays} }, publishes},
	}
}

// longer expects waits that grow: one comes that is longer than chance makes one of those that do
// not. On a busy machine any of them may be longer than it should.
func longer(t *testing.T, s *script, _ *driven) {
	var gaps []time.Duration
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("it comes back after %v", gaps)
		}
	})
	waitfor.Within(t, 2*time.Minute, "it comes back after waits that grow", func() bool {
		all, _ := s.seen()
		gaps = nil
		for i := 1; i < len(all); i++ {
			gaps = append(gaps, all[i].at.Sub(all[i-1].at))
		}
		return len(gaps) > 3 && slices.Max(gaps) >= 4*slices.Min(gaps)
	})
	if slices.Min(gaps) < 100*time.Millisecond {
		t.Error("it comes back at once")
	}
}

// inPieces is a stream whose bytes come one by one, with a comment, and characters of several
// bytes.
func inPieces(n int, a asked) []step {
	if n > 0 {
		return heardThen()(n, a)
	}
	text := ": a comment\n\nretry: 2000\n" + block(opens("c0").frame) + ":\n"
	for i := 1; i <= 2; i++ {
		f := numbered(i, fmt.Sprint("e", i), fmt.Sprint("c", i)).frame
		f["note"] = "für 42 € 😀"
		text += block(f)
	}
	return []step{{raw: text}}
}

func publishes(t *testing.T, s *script, d *driven) {
	s.awaitAsked(0)
	d.publish("topic.hall.a", frame{"n": 1})
	if got := d.await("published", 1); string(got[0].Data) != `"e-published"` {
		t.Errorf("published %s", got[0].Data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) != 2 || s.keys[0] == "" || len(slices.Compact(s.keys)) != 1 {
		t.Errorf("it publishes with the keys %q", s.keys)
	}
}
