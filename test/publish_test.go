package test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/client"
	"weft/test/stage"
)

// posted is the answer to a publish over HTTP.
type posted struct {
	Status     int
	RetryAfter string
	IDs        []string
	Problem    client.Problem
}

// post publishes over HTTP. The header fields are added to the request.
func post(t testing.TB, origin string, query url.Values, header map[string]string, body []byte) posted {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, origin+"/_weft/v1/events?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	status, got, answer := exchange(t, req)
	p := posted{Status: status, RetryAfter: answer.Get("Retry-After")}
	if status == http.StatusAccepted {
		var body struct {
			IDs []string `json:"ids"`
		}
		if err := json.Unmarshal(got, &body); err != nil {
			t.Fatalf("decode %q: %v", got, err)
		}
		p.IDs = body.IDs
	} else if err := json.Unmarshal(got, &p.Problem); err != nil {
		t.Fatalf("status %d with a body that is no problem: %q", status, got)
	}
	return p
}

// publish publishes to a user on the admin listener, which is trusted, and fails
// the test unless the event is accepted. It returns the event's id.
func publish(t testing.TB, n *stage.Node, user, typ string, body []byte) string {
	t.Helper()
	q := url.Values{"user": {user}}
	if typ != "" {
		q.Set("type", typ)
	}
	p := post(t, n.AdminURL(), q, map[string]string{"Content-Type": "application/octet-stream"}, body)
	if p.Status != http.StatusAccepted {
		t.Fatalf("publish to %s: status %d, %+v", user, p.Status, p.Problem)
	}
	if len(p.IDs) != 1 {
		t.Fatalf("publish to %s: ids %q, want one", user, p.IDs)
	}
	return p.IDs[0]
}

// exchange does a request with a time limit and returns the whole answer.
func exchange(t testing.TB, req *http.Request) (int, []byte, http.Header) {
	t.Helper()
	answer, err := (&http.Client{Timeout: 60 * time.Second}).Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return answer.StatusCode, body, answer.Header
}

// admin does a request on the admin API.
func admin(t testing.TB, n *stage.Node, method, path, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, n.AdminURL()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	status, got, _ := exchange(t, req)
	return status, got
}

// publishNATS publishes a message and waits until the stream has stored it.
func publishNATS(t testing.TB, nc *nats.Conn, subject string, header nats.Header, data []byte) {
	t.Helper()
	msg := &nats.Msg{Subject: subject, Header: header, Data: data}
	ack, err := nc.RequestMsg(msg, 20*time.Second)
	if err != nil {
		t.Fatalf("publish on %s: %v", subject, err)
	}
	var stored struct {
		Seq   uint64          `json:"seq"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(ack.Data, &stored); err != nil || stored.Seq == 0 {
		t.Fatalf("publish on %s: answer %q", subject, ack.Data)
	}
}

// produce puts records into a topic and waits until the broker has them.
func produce(t testing.TB, brokerAddress string, records ...*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokerAddress))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(soon(t), records...).FirstErr(); err != nil {
		t.Fatalf("produce: %v", err)
	}
}

// topic makes a topic named after the test.
func topic(t testing.TB, k *stage.Kafka, partitions int32) string {
	t.Helper()
	name := topicName(t.Name())
	if err := stage.CreateTopic(within(t, time.Minute), k.Address, name, partitions); err != nil {
		t.Fatal(err)
	}
	return name
}

// topicName makes a legal topic name of a test's name.
func topicName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == '/' || c == ' ' || c == '#' {
			b[i] = '.'
		}
	}
	return string(b)
}
