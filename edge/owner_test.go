package edge_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/edge"
	"weft/edge/transport"
	"weft/jetstream"
)

// Who may change a connection, and who may not.
func TestAConnectionIsChangedByItsUserAlone(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) {
		c.Public.CORSOrigins = []string{"https://app.example"}
	})
	ann, bob := s.token("ann", claims{"jti": "ann1"}), s.token("bob", nil)
	for _, kind := range openKinds {
		l := s.live(kind, visitor{token: ann})
		visit := s.live(kind, visitor{query: params("subject", "topic.hotel.lobby")})
		subscribe, refresh := `{"subscribe":["topic.hotel.1"]}`, tokenChange(ann)
		if kind == transport.WebSocket { // a visitor is nobody, and cannot become somebody
			visit.token = ""
			if _, code := visit.change(refresh); code != "user_mismatch" {
				t.Errorf("%s: a visitor with a token: %q", kind, code)
			}
		}
		expired := s.token("ann", claims{"exp": time.Now().Add(-time.Minute).Unix()})
		s.must(s.node.Blacklist().Put(t.Context(), "stolen", "", 0))
		s.eventually("the mirror has it", func() bool { return s.node.Blacklist().Revoked("stolen", "ann", time.Now()) })
		stolen := s.token("ann", claims{"jti": "stolen"})
		for _, w := range []struct {
			what, connection, token, body string
			status                        int
			code                          string
			header                        []string
		}{
			{"nobody", l.connection, "", subscribe, 401, "token_missing", nil},
			{"nobody, of a visitor's", visit.connection, "", subscribe, 401, "token_missing", nil},
			{"nobody, with a token to come", visit.connection, "", refresh, 401, "token_missing", nil},
			{"somebody, of a visitor's", visit.connection, ann, subscribe, 409, "user_mismatch", nil},
			{"somebody else", l.connection, bob, subscribe, 409, "user_mismatch", nil},
			{"somebody else, with her token", l.connection, bob, refresh, 409, "user_mismatch", nil},
			{"she, with another's token", l.connection, ann, tokenChange(bob), 409, "user_mismatch", nil},
			{"an expired token", l.connection, expired, subscribe, 401, "token_expired", nil},
			{"an expired token to come", l.connection, ann, tokenChange(expired), 401, "token_expired", nil},
			{"a revoked token", l.connection, stolen, subscribe, 403, "token_revoked", nil},
			{"a revoked token to come", l.connection, ann, tokenChange(stolen), 403, "token_revoked", nil},
			{"another page, with the cookie", l.connection, "", subscribe, 403, "forbidden", []string{"Cookie", "weft_token=" + ann, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}},
			{"a page that may, with the cookie", l.connection, "", subscribe, 200, "", []string{"Cookie", "weft_token=" + ann, "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"}},
			{"another session of hers", l.connection, s.token("ann", claims{"jti": "ann2"}), `{"unsubscribe":["topic.hotel.1"]}`, 200, "", nil},
		} {
			resp, body := s.do(http.MethodPatch, pathConnections+w.connection, w.token, w.body, w.header...)
			if resp.StatusCode != w.status || w.code != "" && !strings.Contains(body, `"code":"`+w.code+`"`) {
				t.Errorf("%s: %s: %d %s, want %d %s", kind, w.what, resp.StatusCode, body, w.status, w.code)
			}
		}
		// After all that both are as good as before.
		s.store("user.ann", "", []byte(`"ann's"`))
		l.wantData(`"ann's"`)
		s.store("topic.hotel.lobby", "", []byte(`"all"`))
		visit.wantData(`"all"`)
	}
}

func TestInModeNoneAConnectionIsChangedByItsUser(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Auth.Mode, c.Auth.Allow = "none", []string{"topic.>"} })
	l := s.live(transport.SSE, visitor{query: params("user", "ann")})
	for user, want := range map[string]int{"ann": 200, "bob": 409} {
		if resp, body := s.do(http.MethodPatch, pathConnections+l.connection+"?user="+user, "", `{"set":["topic.a"]}`); resp.StatusCode != want {
			t.Errorf("%s: %d %s", user, resp.StatusCode, body)
		}
	}
}

// Changes come from all sides at once, while connections open, receive and end. Each is
// answered, and what the last one says is what is followed.
func TestChangesAtTheSameMoment(t *testing.T) {
	t.Parallel()
	s := newStack(t, grants)
	wide, narrow := s.token("ann", claims{"may": []string{"a", "b"}, "auto": "x"}), s.token("ann", claims{"may": "b", "auto": "y"})
	bodies := []string{
		tokenChange(wide), tokenChange(narrow), `{"set":["topic.may.b"]}`, `{"set":["topic.may.a",{"subject":"topic.may.b","type":["x"]}]}`,
		`{"subscribe":["topic.may.a"]}`, `{"unsubscribe":["topic.may.a","topic.may.b"]}`, `{"token":"` + wide + `","set":["topic.may.a"]}`,
	}
	stop := make(chan struct{})
	var storing sync.WaitGroup
	storing.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				s.store([]string{"topic.may.a", "topic.may.b", "topic.auto.x", "topic.auto.y"}[n%4], "", []byte("1"))
			}
		}
	})
	for round := range 6 {
		kind := openKinds[round%2]
		l := s.live(kind, visitor{token: wide, query: params("subject", "topic.may.a")})
		go func() { // whatever it hears
			for range l.heard {
			}
		}()
		var changing sync.WaitGroup
		for at := range 4 {
			changing.Go(func() {
				for n := range 12 {
					status, got := s.patch(l.connection, wide, bodies[(at*5+n*3+round)%len(bodies)])
					switch status {
					case http.StatusOK, http.StatusForbidden, http.StatusNotFound:
					default:
						t.Errorf("%s: %d %s", kind, status, got)
					}
				}
			})
		}
		if round >= 4 { // the connection ends in the middle of it
			l.cancel()
			changing.Wait()
			continue
		}
		changing.Wait()
		status, got := s.patch(l.connection, wide, `{"token":"`+narrow+`","set":["topic.may.b"]}`)
		if status != http.StatusOK || strings.TrimSpace(got) != `{"subjects":["user.ann","topic.auto.y","topic.may.b"]}` && strings.TrimSpace(got) != `{"subjects":["user.ann","topic.may.b","topic.auto.y"]}` {
			t.Errorf("%s: the last one says %d %s", kind, status, got)
		}
		l.cancel()
	}
	close(stop)
	storing.Wait()
	s.eventually("all have gone", func() bool { return s.edge.Connections() == 0 })
}
