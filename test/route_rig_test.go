package test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/config/testkit/standstill"
	"weft/test/client"
	"weft/test/stage"
)

// rigPage carries RIG's examples over; the tests below do with it what a reader would.
const rigPage = "../docs/coming-from-rig.md"

// settingsOf are the settings that a block of configuration of the page adds.
func settingsOf(t *testing.T, block string, other *strings.Replacer) stage.Config {
	t.Helper()
	var sections map[string]map[string]any
	if err := yaml.Unmarshal([]byte(other.Replace(block)), &sections); err != nil {
		t.Fatalf("%v\n%s", err, block)
	}
	config := stage.Settings(t.TempDir())
	for section, keys := range sections {
		for key, value := range keys {
			config.With(section+"."+key, value)
		}
	}
	return config
}

// documents are the routes that a section of the page shows.
func documents(t *testing.T, blocks []string) (found []string) {
	t.Helper()
	for _, b := range blocks {
		found = append(found, regexp.MustCompile(`(?m)^\{"pattern".*(?:\n .*)*`).FindAllString(b, -1)...)
	}
	if len(found) == 0 {
		t.Fatal("the section shows no route")
	}
	return found
}

// asked sends a request and returns status and body of the answer.
func asked(t *testing.T, method, address, token, contentType, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(soon(t), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestRIGsExamplesOfHTTPAndBlacklistAreCarriedOver(t *testing.T) {
	node, back := stage.StartNode(t, stage.Settings(t.TempDir())), stage.StartBackend(t, nil)
	other := strings.NewReplacer("127.0.0.1:3000", back.Address())
	routes := documents(t, codeBlocks(t, rigPage, "## HTTP: examples/api-gateway/http"))
	for i, name := range []string{"my-endpoint", "replaced", "transformed"} {
		stage.PutRoute(t, node, name, other.Replace(routes[i]))
	}
	for i, c := range []struct{ path, target string }{{"/", "/"}, {"/replaced", "/different-endpoint"}, {"/foo/1/bar/2", "/bar/1/foo/2"}} {
		if status, text := asked(t, http.MethodGet, node.URL()+c.path, "", "", ""); status != http.StatusOK {
			t.Fatalf("GET %s: %d %s", c.path, status, text)
		}
		if got := back.Await(i + 1); got.Target != c.target {
			t.Errorf("GET %s reaches %s, want %s", c.path, got.Target, c.target)
		}
	}
	for path, want := range map[string]int{"/other": http.StatusNotFound, "/replaced/": http.StatusNotFound} {
		if status, _ := asked(t, http.MethodGet, node.URL()+path, "", "", ""); status != want {
			t.Errorf("GET %s: %d, want %d", path, status, want)
		}
	}
	if status, _ := asked(t, http.MethodPost, node.URL()+"/", "", "", "x"); status != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %d", status)
	}

	secured := documents(t, codeBlocks(t, rigPage, "## Blacklist: docs/jwt-blacklisting.md"))[0]
	stage.PutRoute(t, node, "secured", other.Replace(secured))
	token := stage.Token(t, "1234567890", stage.Claims{"jti": "johndoe", "name": "John Doe"})
	todos := node.URL() + "/todos/1"
	if status, text := asked(t, http.MethodGet, todos, "", "", ""); status != http.StatusUnauthorized || !strings.Contains(text, "token_missing") {
		t.Errorf("without a token: %d %s", status, text)
	}
	if status, text := asked(t, http.MethodGet, todos, token, "", ""); status != http.StatusOK {
		t.Fatalf("with a token: %d %s", status, text)
	}
	if got := back.Await(4); got.Target != "/todos/1" || got.Header.Get("Weft-User") != "1234567890" || got.Header.Get("Weft-Session") != "johndoe" {
		t.Errorf("the back end has %+v", got)
	}
	if status, text := asked(t, http.MethodPut, node.AdminURL()+"/_weft/v1/blacklist/johndoe?ttl=60s", "", "", ""); status/100 != 2 {
		t.Fatalf("revoke: %d %s", status, text)
	}
	revoked, still := time.Now(), standstill.Begin(t)
	eventually(t, 20*time.Second, "the revoked token is refused", func() bool {
		status, text := asked(t, http.MethodGet, todos, token, "", "")
		return status == http.StatusForbidden && strings.Contains(text, "token_revoked")
	})
	if took := time.Since(revoked); took > time.Second+still.Lost() {
		t.Errorf("the revoked token is refused after %v", took)
	}
}

func TestRIGsExampleOfKafkaIsCarriedOver(t *testing.T) {
	k, topic := broker(t), topicName(t.Name())
	if err := stage.CreateTopic(within(t, time.Minute), k.Address, topic, 1); err != nil {
		t.Fatal(err)
	}
	blocks := codeBlocks(t, rigPage, "## Kafka: examples/api-gateway/kafka")
	other := strings.NewReplacer("127.0.0.1:9092", k.Address, "topic: example", "topic: "+topic, "kafka://example", "kafka://"+topic)
	node := stage.StartNode(t, settingsOf(t, blockWith(t, blocks, "sources:"), other))
	stage.PutRoute(t, node, "my-endpoint", other.Replace(documents(t, blocks)[0]))
	r := record(t, client.SSE, client.Target{URL: node.URL(), Query: url.Values{"subject": {"topic.events.com=2Egithub=2Epull=2Ecreate"}}})
	event := strings.TrimSpace(blockWith(t, blocks, "specversion"))
	status, text := asked(t, http.MethodPost, node.URL()+"/", "", "application/cloudevents+json", event)
	if status != http.StatusAccepted || !strings.Contains(text, `"id":`) {
		t.Fatalf("%d %s", status, text)
	}
	events, err := r.AwaitEvents(within(t, time.Minute), 1)
	if err != nil {
		t.Fatal(err)
	}
	var written struct{ Data string }
	if err := json.Unmarshal([]byte(event), &written); err != nil {
		t.Fatal(err)
	}
	if e := events[0]; e.Type != "com.github.pull.create" || e.Text() != written.Data {
		t.Errorf("the event is %q of type %q", e.Text(), e.Type)
	}
}

// produced writes what it is sent to a topic, as RIG's service of the channels does.
func produced(t *testing.T, address, topic string) http.HandlerFunc {
	t.Helper()
	producer, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		record := &kgo.Record{Value: body, Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}}}
		if err == nil {
			err = producer.ProduceSync(r.Context(), record).FirstErr()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

func TestRIGsExampleOfChannelsIsCarriedOver(t *testing.T) {
	t.Parallel()
	k, topic := broker(t), topicName(t.Name())
	if err := stage.CreateTopic(within(t, time.Minute), k.Address, topic, 1); err != nil {
		t.Fatal(err)
	}
	service := stage.StartBackend(t, produced(t, k.Address, topic))
	blocks := codeBlocks(t, rigPage, "## Channels: examples/channels-example")
	other := strings.NewReplacer("127.0.0.1:9092", k.Address, "127.0.0.1:8000", service.Address(), "topic: example", "topic: "+topic)
	node := stage.StartNode(t, settingsOf(t, blockWith(t, blocks, "sources:"), other))
	stage.PutRoute(t, node, "kafka-producer-endpoint", other.Replace(documents(t, blocks)[0]))

	readers := map[string]*client.Recorder{}
	for user, transport := range map[string]client.Transport{"mike": client.SSE, "john": client.WebSocket} {
		readers[user] = record(t, transport, client.Target{URL: node.URL(), Token: stage.Token(t, user, stage.Claims{"username": user}),
			Query: url.Values{"subject": {"topic.events.my=2Epublic=2Eevent"}}})
	}
	for id, data := range map[string]string{"1": `{"name":"mike","foo":"bar"}`, "2": `{"name":"john","foo":"bar"}`, "3": `{"topic":"my.public.event","foo":"bar"}`} {
		event := `{"specversion":"1.0","type":"message","source":"/ui","id":"` + id + `","data":` + data + `}`
		if status, text := asked(t, http.MethodPost, node.URL()+"/produce", "", "application/json", event); status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
	}
	for user, r := range readers {
		events, err := r.AwaitEvents(within(t, time.Minute), 2)
		if err != nil {
			t.Fatalf("%s: %v", user, err)
		}
		all := events[0].Text() + events[1].Text()
		if !strings.Contains(all, `"name":"`+user+`"`) || !strings.Contains(all, "my.public.event") || len(r.Events()) != 2 {
			t.Errorf("%s has %+v", user, r.Events())
		}
	}
}
