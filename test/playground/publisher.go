package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The ways in, as the page names them.
const (
	viaKafka = "kafka"
	viaNATS  = "nats"
	viaHTTP  = "http"
)

// publishTimeout bounds one publish, whatever the way.
const publishTimeout = 5 * time.Second

// maxResponse bounds what is read of an answer, in bytes.
const maxResponse = 256 << 10

// A publisher plays the back end: it publishes by all three ways, and revokes
// tokens. It may be used concurrently.
type publisher struct {
	addrs  addresses
	kafka  *kgo.Client
	conn   *nats.Conn
	stream js.JetStream
	http   *http.Client
}

// openPublisher connects to the broker and the node at a.
func openPublisher(a addresses) (*publisher, error) {
	kafka, err := kgo.NewClient(
		kgo.SeedBrokers(a.Kafka),
		kgo.ProducerLinger(0), // one record at a time, and somebody is watching
	)
	if err != nil {
		return nil, fmt.Errorf("open Kafka producer: %w", err)
	}
	conn, err := nats.Connect("nats://"+a.NATS, nats.Name("playground"), nats.MaxReconnects(-1),
		nats.ReconnectWait(200*time.Millisecond), nats.ReconnectJitter(0, 0),
		// A node that hangs says no goodbye.
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2))
	if err != nil {
		kafka.Close()
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	stream, err := js.New(conn)
	if err != nil {
		kafka.Close()
		conn.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	// Each request asks the balancer anew which node takes it.
	client := &http.Client{Timeout: publishTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	return &publisher{addrs: a, kafka: kafka, conn: conn, stream: stream, http: client}, nil
}

// An event as the page asks for it. To is a user, or the name of the topic.
type event struct {
	To    string  `json:"to"`
	Via   string  `json:"via"`
	State string  `json:"state"`
	Text  string  `json:"text"`
	N     int     `json:"n"`    // the page's own count, to recognise what arrives
	Sent  float64 `json:"sent"` // the page's clock, milliseconds since 1970

	// key, if set, lets Weft recognise an event that is published again because
	// it is unknown whether it was stored. Kafka's client sees to that itself.
	key string
}

func (e event) shared() bool { return e.To == topicName }

func (e event) eventType() string {
	if e.shared() {
		return topicType
	}
	return "order." + e.State
}

// payload is the JSON that travels, the same by every way. The Kafka rules of
// the configuration find the user and the type in it.
func (e event) payload() ([]byte, error) {
	type customer struct {
		ID string `json:"id"`
	}
	p := struct {
		Customer *customer `json:"customer,omitempty"`
		State    string    `json:"state,omitempty"`
		Text     string    `json:"text"`
		Via      string    `json:"via"`
		N        int       `json:"n"`
		Sent     float64   `json:"sent"`
	}{Text: e.Text, Via: e.Via, N: e.N, Sent: e.Sent}
	if !e.shared() {
		p.Customer, p.State = &customer{e.To}, e.State
	}
	return json.Marshal(p)
}

// publish is send within publishTimeout.
func (p *publisher) publish(ctx context.Context, e event) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return p.send(ctx, e)
}

// send returns when the event is accepted: by the broker, which hands it on, or
// by the stream.
func (p *publisher) send(ctx context.Context, e event) error {
	body, err := e.payload()
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	switch e.Via {
	case viaKafka:
		return p.produce(ctx, e, body)
	case viaNATS:
		return p.publishNATS(ctx, e, body)
	case viaHTTP:
		return p.post(ctx, e, body)
	}
	return fmt.Errorf("unknown way in %q", e.Via)
}

// produce keys the record with its addressee: records of one user stay in one
// partition, hence in order.
func (p *publisher) produce(ctx context.Context, e event, body []byte) error {
	topic := kafkaOrders
	if e.shared() {
		topic = kafkaChat
	}
	r := &kgo.Record{Topic: topic, Key: []byte(e.To), Value: body}
	if err := p.kafka.ProduceSync(ctx, r).FirstErr(); err != nil {
		return fmt.Errorf("produce to Kafka: %w", err)
	}
	return nil
}

func (p *publisher) publishNATS(ctx context.Context, e event, body []byte) error {
	m := nats.NewMsg("user." + e.To)
	if e.shared() {
		m.Subject = topicSubject
	}
	// CloudEvents 1.0, NATS protocol binding, binary mode.
	m.Header.Set("ce-type", e.eventType())
	m.Data = body
	if e.key != "" {
		m.Header.Set(nats.MsgIdHdr, e.key)
	}
	if _, err := p.stream.PublishMsg(ctx, m); err != nil {
		return fmt.Errorf("publish to NATS: %w", err)
	}
	return nil
}

func (p *publisher) post(ctx context.Context, e event, body []byte) error {
	q := url.Values{"type": {e.eventType()}}
	if e.shared() {
		q.Set("subject", topicSubject)
	} else {
		q.Set("user", e.To)
	}
	_, err := p.admin(ctx, http.MethodPost, "/_weft/v1/events?"+q.Encode(), e.key, body)
	return err
}

// revoke puts session on the blacklist.
func (p *publisher) revoke(ctx context.Context, session string) error {
	_, err := p.admin(ctx, http.MethodPut, "/_weft/v1/blacklist/"+url.PathEscape(session), "", nil)
	return err
}

// sendAway ends all connections of user, who is told to come back.
func (p *publisher) sendAway(ctx context.Context, user string) error {
	_, err := p.admin(ctx, http.MethodDelete, "/_weft/v1/users/"+url.PathEscape(user)+"/connections?reconnect=true", "", nil)
	return err
}

// admin calls the node's admin listener and expects a status of 2xx. A key makes
// the request one that may be repeated.
func (p *publisher) admin(ctx context.Context, method, path, key string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.addrs.Admin+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call weft: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or of no interest
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return nil, fmt.Errorf("read answer of weft: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		// RFC 9457.
		var problem struct {
			Detail, Code string
			Errors       []struct{ Field, Detail string }
		}
		if json.Unmarshal(answer, &problem) == nil && problem.Code != "" {
			for _, e := range problem.Errors {
				problem.Detail += "; " + e.Field + " " + e.Detail
			}
			return nil, fmt.Errorf("weft answered %s: %s: %s", resp.Status, problem.Code, problem.Detail)
		}
		return nil, fmt.Errorf("weft answered %s", resp.Status)
	}
	return answer, nil
}

// Close ends the connections. It may be called twice.
func (p *publisher) Close() error {
	p.kafka.Close()
	p.conn.Close()
	p.http.CloseIdleConnections()
	return nil
}
