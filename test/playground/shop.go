package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// servicePrice is the subject of the service that knows prices, but for the item.
	servicePrice = "svc.price."
	// cooking is how long the shop works on an order, so that one sees who waits.
	cooking = 400 * time.Millisecond
	// maxOrder bounds what is believed of an order, in bytes.
	maxOrder = 1 << 10
)

// A shop is the back end behind the routes. It speaks to nobody but Kafka, NATS and
// whoever asks by HTTP, keeps no connection to any browser and checks no token: who asks
// it is told by Weft.
type shop struct {
	kafka  *kgo.Client
	conn   *nats.Conn
	server *http.Server
	log    *slog.Logger
	stop   context.CancelFunc
	tasks  sync.WaitGroup
}

// openShop serves HTTP on ln, and takes orders and questions from a's broker and node.
func openShop(a addresses, ln net.Listener, log *slog.Logger) (*shop, error) {
	kafka, err := kgo.NewClient(kgo.SeedBrokers(a.Kafka), kgo.ProducerLinger(0), kgo.ConsumeTopics(kafkaShop),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the shop's Kafka client: %w", err), ln.Close())
	}
	conn, err := nats.Connect("nats://"+a.NATS, nats.Name("shop"), nats.MaxReconnects(-1))
	if err != nil {
		kafka.Close()
		return nil, errors.Join(fmt.Errorf("connect the shop to NATS: %w", err), ln.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &shop{kafka: kafka, conn: conn, log: log, stop: stop}
	s.server = &http.Server{Handler: s.handler(ctx), ReadHeaderTimeout: 5 * time.Second}
	if _, err := conn.Subscribe(servicePrice+"*", s.price); err != nil {
		return nil, errors.Join(fmt.Errorf("serve %s: %w", servicePrice, err), ln.Close(), s.Close())
	}
	s.tasks.Go(func() { _ = s.server.Serve(ln) }) // until Close
	s.tasks.Go(func() { s.takeOrders(ctx) })
	return s, nil
}

// Close ends the shop.
func (s *shop) Close() error {
	s.stop()
	err := s.server.Close()
	s.conn.Close()
	s.tasks.Wait()
	s.kafka.Close()
	return err
}

// takeOrders works on orders until ctx ends, each by itself.
func (s *shop) takeOrders(ctx context.Context) {
	for {
		fetches := s.kafka.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fetches.EachRecord(func(r *kgo.Record) {
			s.tasks.Go(func() { s.fulfil(ctx, r) })
		})
	}
}

// An order is what the page sends.
type order struct {
	Item string `json:"item"`
}

// fulfil tells the user of an order by an event, and the request that waits for it, if one
// does, by a record with its correlation.
func (s *shop) fulfil(ctx context.Context, r *kgo.Record) {
	select {
	case <-time.After(cooking):
	case <-ctx.Done():
		return
	}
	var o order
	status := http.StatusCreated
	if len(r.Value) > maxOrder || json.Unmarshal(r.Value, &o) != nil || o.Item == "" {
		status = http.StatusUnprocessableEntity
	}
	correlation, user := headerOf(r, "weft-correlation"), headerOf(r, "weft-user")
	var records []*kgo.Record
	if status == http.StatusCreated {
		records = append(records, &kgo.Record{Topic: kafkaOrders, Key: []byte(user), Value: mustJSON(map[string]any{
			"customer": map[string]string{"id": user}, "state": "placed", "text": "order of " + o.Item, "via": viaKafka, "order": correlation,
		})})
	}
	if topic := headerOf(r, "weft-reply-topic"); topic != "" {
		records = append(records, &kgo.Record{Topic: topic, Value: mustJSON(map[string]string{"order": correlation, "item": o.Item}), Headers: []kgo.RecordHeader{
			{Key: "weft-correlation", Value: []byte(correlation)},
			{Key: "weft-status", Value: fmt.Append(nil, status)},
			{Key: "weft-header-location", Value: []byte("/api/orders/" + correlation)},
		}})
	}
	if err := s.kafka.ProduceSync(ctx, records...).FirstErr(); err != nil && ctx.Err() == nil {
		s.log.Error("answer an order", "err", err)
	}
}

// price answers a question for a price. The subject's last token is the item.
func (s *shop) price(m *nats.Msg) {
	item := m.Subject[len(servicePrice):]
	err := m.Respond(mustJSON(map[string]any{"item": item, "price": 2 + len(item), "for": m.Header.Get("Weft-User")}))
	if err != nil {
		s.log.Error("answer for a price", "err", err)
	}
}

// handler serves what is asked by HTTP: two greetings, between which a route may choose,
// and a WebSocket that says the time.
func (s *shop) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	greet := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(mustJSON(map[string]string{"greeting": text, "to": r.Header.Get("Weft-User")}))
		}
	}
	mux.HandleFunc("GET /v1/greeting", greet("Good morning"))
	mux.HandleFunc("GET /v2/greeting", greet("Good evening"))
	// Pages of other origins are kept out by Weft, which knows the token.
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, Subprotocols: []string{"weft.v1"}}
	mux.HandleFunc("GET /clock", func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // which has answered
		}
		defer func() { _ = c.Close() }() // it is over, however
		s.tell(ctx, c)
	})
	return mux
}

// tell says the time, several times a second, until the client leaves.
func (s *shop) tell(ctx context.Context, c *websocket.Conn) {
	left := make(chan struct{})
	go func() {
		defer close(left)
		for {
			if _, _, err := c.NextReader(); err != nil {
				return
			}
		}
	}()
	defer func() { _ = c.Close(); <-left }()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for n := 1; ; n++ {
		if c.WriteJSON(map[string]any{"n": n, "time": time.Now().Format(time.TimeOnly)}) != nil {
			return
		}
		select {
		case <-again.C:
		case <-left:
			return
		case <-ctx.Done():
			return
		}
	}
}

func headerOf(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// mustJSON is for what can be written as JSON.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
