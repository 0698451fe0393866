package test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/client"
	"weft/test/stage"
)

// Without its broker Weft starts, says so and serves; when the broker comes, its
// records do.
func TestKafkaMayBeAbsentAtStartAndGoAway(t *testing.T) {
	t.Parallel()
	k := ownBroker(t)
	in := topic(t, k, 2)
	produce(t, k.Address, &kgo.Record{Topic: in, Key: []byte("ann"), Value: []byte(`1`)})
	k.Kill()
	node := stage.StartNode(t, stage.Settings(t.TempDir()).
		Kafka(k.Address, stage.Source{"topic": in, "to": []string{"user.{key}"}, "start": "oldest"}))
	ann := record(t, client.WebSocket, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
	publish(t, node, "ann", "", []byte(`"without kafka"`))
	awaitEvents(t, ann, 1)
	logged(t, node, "kafka", k.Address)

	again := func(n int, want string) {
		t.Helper()
		events, err := ann.AwaitEvents(within(t, time.Minute), n)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(events[n-1].Data); len(events) != n || got != want {
			t.Errorf("%d events, the last %s; want %d and %s", len(events), got, n, want)
		}
	}
	if err := k.Start(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	again(2, `1`)
	k.Kill()
	publish(t, node, "ann", "", []byte(`"without kafka again"`))
	again(3, `"without kafka again"`)
	if err := k.Start(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	produce(t, k.Address, &kgo.Record{Topic: in, Key: []byte("ann"), Value: []byte(`2`)})
	again(4, `2`)

	// Being away is said once per cause, not once per try.
	var said []string
	for _, line := range node.Process().Output() {
		if strings.Contains(line, "kafka") && (strings.Contains(line, `"WARN"`) || strings.Contains(line, `"ERROR"`)) {
			said = append(said, line)
		}
	}
	if len(said) > 40 {
		t.Errorf("%d warnings about kafka, which was away for some seconds, for example:\n%s", len(said), strings.Join(said[:10], "\n"))
	}
}

// Right credentials read; wrong ones are said and harm nothing else.
func TestKafkaCredentials(t *testing.T) {
	t.Parallel()
	k := broker(t)
	in := topic(t, k, 1)
	produce(t, k.Address, &kgo.Record{Topic: in, Key: []byte("ann"), Value: []byte(`"by kafka"`)})
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-512"} {
		for name, password := range map[string]string{"right": stage.KafkaPassword, "wrong": "secret-that-is-not-it"} {
			if k.Fake() && name == "right" {
				continue // the stand-in keeps the topics of its two listeners apart
			}
			t.Run(mechanism+"/"+name, func(t *testing.T) {
				config := stage.Settings(t.TempDir()).
					Kafka(k.SASLAddress, stage.Source{"topic": in, "to": []string{"user.{key}"}, "start": "oldest"}).
					With("kafka.group", topicName(t.Name())).
					With("kafka.sasl.mechanism", mechanism).
					With("kafka.sasl.user", stage.KafkaUser).
					With("kafka.sasl.password", password)
				node := stage.StartNode(t, config)
				target := client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)}
				if name == "right" {
					// Whether the record came before or after the connection does not
					// matter: the stream holds it.
					eventually(t, 90*time.Second, "the record is stored", func() bool {
						sum, err := stage.Committed(soon(t), k.Address, topicName(t.Name()), in, 1)
						return err == nil && sum == 1
					})
					return
				}
				logged(t, node, "kafka", "authentication")
				ann := record(t, client.SSE, target)
				publish(t, node, "ann", "", []byte(`"by http"`))
				if e := awaitEvents(t, ann, 1)[0]; string(e.Data) != `"by http"` {
					t.Errorf("got %q", e.Data)
				}
				if out := strings.Join(node.Process().Output(), "\n"); strings.Contains(out, password) {
					t.Error("the password is in the log")
				}
			})
		}
	}
}

// keySet serves a JWKS at an address that can be taken later.
type keySet struct {
	key    *ecdsa.PrivateKey
	server *httptest.Server
}

func (s *keySet) serve(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := s.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "use": "sig", "x": b64(point[1:33]), "y": b64(point[33:])}}})
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Write(body)
	}))
	s.server.Listener.Close()
	s.server.Listener = l
	s.server.Start()
	t.Cleanup(s.server.Close)
}

// A node whose key set cannot be fetched says so, asks its clients to wait, and lets
// them in when the keys have come; it goes on with them when the server is gone.
func TestUnreachableKeySet(t *testing.T) {
	t.Parallel()
	address := stage.FreeAddress(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("auth.issuers",
		[]any{map[string]any{"jwks": "http://" + address + "/keys", "issuer": "https://issuer.example"}}))
	logged(t, node, "/keys")

	unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": "ann", "iss": "https://issuer.example",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()})
	unsigned.Header["kid"] = "k1"
	token, err := unsigned.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	target := client.Target{URL: node.URL(), Token: token}
	// An EventSource must not be ended for good by something that passes.
	r, err := client.Record(context.Background(), client.SSE, target)
	if err != nil {
		t.Fatalf("without keys: %v", err)
	}
	if reason, _ := awaitEnding(t, client.SSE, r, 20*time.Second); reason != "not_ready" {
		t.Errorf("sse without keys ended with %q, want not_ready", reason)
	}
	if status, code := refusal(t, node, client.Poll, token); status != 503 || code != "not_ready" {
		t.Errorf("poll without keys: %d %q, want 503 not_ready", status, code)
	}
	publish(t, node, "ann", "", []byte(`"accepted meanwhile"`))

	keys := keySet{key: key}
	keys.serve(t, address)
	var live *client.Recorder
	eventually(t, 90*time.Second, "the keys are fetched and the client let in", func() bool {
		s, err := client.Record(context.Background(), client.WebSocket, target)
		if err != nil {
			return false
		}
		if _, err := s.AwaitType(soon(t), client.TypeOpen); err != nil {
			s.Close()
			return false
		}
		live = s
		return true
	})
	defer live.Close()
	keys.server.Close()
	for i := range 3 {
		publish(t, node, "ann", "", fmt.Appendf(nil, "%d", i))
	}
	if events, err := live.AwaitEvents(soon(t), 3); err != nil || len(events) != 3 {
		t.Errorf("%d events, %v", len(events), err)
	}
	if status, code := refusal(t, node, client.Poll, token); status != 0 {
		t.Errorf("with the key set away again: %d %q, want the keys that are known", status, code)
	}
}
