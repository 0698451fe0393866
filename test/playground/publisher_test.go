package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestARecordIsWhatTheRulesOfTheConfigurationExpect(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	b, err := openBroker(ln)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(kafkaOrders, kafkaChat))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	p := &publisher{kafka: client}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	want := map[string]string{
		kafkaOrders: `{"customer":{"id":"ann"},"state":"paid","text":"x","via":"kafka","n":1,"sent":2.5}`,
		kafkaChat:   `{"text":"y","via":"kafka","n":2,"sent":3}`,
	}
	for _, e := range []event{
		{To: "ann", Via: viaKafka, State: "paid", Text: "x", N: 1, Sent: 2.5},
		{To: topicName, Via: viaKafka, State: "paid", Text: "y", N: 2, Sent: 3},
	} {
		if err := p.publish(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	for len(want) > 0 {
		f := client.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		f.EachRecord(func(r *kgo.Record) {
			if string(r.Value) != want[r.Topic] {
				t.Errorf("%s holds %s, want %s", r.Topic, r.Value, want[r.Topic])
			}
			delete(want, r.Topic)
		})
	}
}

func TestHTTPNamesTheAddresseeAndTellsARefusal(t *testing.T) {
	var got []string
	status := http.StatusAccepted
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.URL.String()+" "+r.Header.Get("Content-Type"))
		w.WriteHeader(status)
		if status != http.StatusAccepted {
			_, _ = w.Write([]byte(`{"code":"disk_full","detail":"no space for events"}`))
		}
	}))
	defer s.Close()
	p := &publisher{addrs: addresses{Admin: s.Listener.Addr().String()}, http: s.Client()}

	for _, e := range []event{{To: "ann", Via: viaHTTP, State: "paid"}, {To: topicName, Via: viaHTTP}} {
		if err := p.publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.revoke(t.Context(), "ann-1"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"POST /_weft/v1/events?type=order.paid&user=ann application/json",
		"POST /_weft/v1/events?subject=topic.chat&type=chat.message application/json",
		"PUT /_weft/v1/blacklist/ann-1 ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	status = http.StatusServiceUnavailable
	err := p.publish(t.Context(), event{To: "ann", Via: viaHTTP, State: "paid"})
	if err == nil || !strings.Contains(err.Error(), "503 Service Unavailable: disk_full: no space for events") {
		t.Errorf("a refusal is told as %v", err)
	}
}
