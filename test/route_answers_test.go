package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/stage"
)

func TestAnswersComeByKafka(t *testing.T) {
	t.Parallel()
	k := broker(t)
	in, out := topicNamed(t, k, "questions", 2), topicNamed(t, k, "answers", 2)
	n := stage.StartNode(t, stage.Settings(t.TempDir()).With("kafka.brokers", []any{k.Address}).
		With("public.drain_delay", "0s").With("public.drain_window", "20s"))
	stage.PutRoute(t, n, "ask", toKafka("POST /ask", in, "reply", stage.Route{"topic": out, "timeout": "20s"}))
	stage.PutRoute(t, n, "hurry", toKafka("POST /hurry", in, "reply", stage.Route{"topic": out, "timeout": "1s"}))
	var late atomic.Pointer[kgo.Record]
	s := serveTopic(t, k, in, 2, func(r *kgo.Record) []*kgo.Record {
		switch string(r.Value) {
		case "created":
			return []*kgo.Record{answerTo(r, out, 0, "\x00{made}", "Weft-Status", "201", "content-type", "text/x-made", "weft-header-Location", "/orders/7",
				"weft-header-connection", "close", "weft-header-weft-user", "x", "other", "no")}
		case "json":
			return []*kgo.Record{answerTo(r, out, 1, `{"a":1}`)}
		case "doubled":
			return []*kgo.Record{answerTo(r, out, 0, "first"), answerTo(r, out, 0, "second"), answerTo(r, out, 0, "third")}
		case "bad":
			return []*kgo.Record{answerTo(r, out, 0, "x", "weft-status", "700")}
		case "foreign":
			a := answerTo(r, out, 1, "stolen")
			a.Headers[0].Value = []byte("AAAAAAAA." + strings.Split(recordHeader(r, "weft-correlation"), ".")[1])
			return []*kgo.Record{a, answerTo(r, out, 1, "own")}
		case "late":
			late.Store(r)
		case "wrong topic":
			return []*kgo.Record{answerTo(r, in, 0, "x")}
		}
		return nil
	})
	replies := func(outcome string) float64 { return metric(t, n, `weft_route_replies_total{outcome="`+outcome+`"}`) }

	got := byRoute(t, "POST", n.URL()+"/ask", "created")
	if got.Status != 201 || got.Body != "\x00{made}" || got.Header.Get("Content-Type") != "text/x-made" || got.Header.Get("Location") != "/orders/7" ||
		got.Header.Get("Weft-User") != "" || got.Header.Get("Other") != "" {
		t.Errorf("%+v", got)
	}
	s.mu.Lock()
	asked := s.read[0]
	s.mu.Unlock()
	if recordHeader(asked, "weft-reply-topic") != out || !strings.Contains(recordHeader(asked, "weft-correlation"), ".") {
		t.Errorf("the back end is told %v", asked.Headers)
	}
	if got := byRoute(t, "POST", n.URL()+"/ask", "json"); got.Status != 200 || got.Body != `{"a":1}` || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", got)
	}
	if got := byRoute(t, "POST", n.URL()+"/ask", "doubled"); got.Status != 200 || got.Body != "first" {
		t.Errorf("%+v", got)
	}
	if got := byRoute(t, "POST", n.URL()+"/ask", "bad"); got.Status != 502 || got.code() != "upstream_unavailable" {
		t.Errorf("%+v", got)
	}
	if got := byRoute(t, "POST", n.URL()+"/ask", "foreign"); got.Status != 200 || got.Body != "own" {
		t.Errorf("%+v", got)
	}
	if got := byRoute(t, "POST", n.URL()+"/hurry", "late"); got.Status != 504 || got.code() != "upstream_timeout" || got.Took < time.Second {
		t.Errorf("%+v", got)
	}
	if got := byRoute(t, "POST", n.URL()+"/hurry", "wrong topic"); got.Status != 504 {
		t.Errorf("%+v", got)
	}
	eventually(t, 20*time.Second, "the record of the late request is read", func() bool { return late.Load() != nil })
	produce(t, k.Address, answerTo(late.Load(), out, 0, "x"))
	eventually(t, 20*time.Second, "all are counted", func() bool {
		return replies("delivered") == 4 && replies("duplicate") == 2 && replies("bad") == 1 && replies("foreign") == 1 && replies("late") == 1
	})

	// An HTTP server that has begun is answered for by Kafka, here before it says so.
	server := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		a := &kgo.Record{Topic: out, Value: []byte("made"), Headers: []kgo.RecordHeader{
			{Key: "weft-status", Value: []byte("201")}, {Key: "WEFT-CORRELATION", Value: []byte(r.Header.Get("Weft-Correlation"))}}}
		if err := s.client.ProduceSync(r.Context(), a).FirstErr(); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, "begun")
	})
	stage.PutRoute(t, n, "serve", stage.Route{"pattern": "POST /serve", "target": server.URL(), "auth": stage.Route{"mode": "none"},
		"reply": stage.Route{"topic": out}})
	if got := byRoute(t, "POST", n.URL()+"/serve", "x"); got.Status != 201 || got.Body != "made" {
		t.Errorf("%+v", got)
	}

	// A client that goes is not waited for.
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := tryRoute(ctx, "POST", n.URL()+"/ask", "nothing"); err == nil {
		t.Error("nothing was answered")
	}
	eventually(t, 20*time.Second, "nobody waits any more", func() bool { return metric(t, n, "weft_route_replies_waiting") == 0 })

	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Address), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	// byHand answers a request in a partition, once before has returned.
	byHand := func(question, body string, partition int32, before func()) {
		t.Helper()
		seen, ctx := make(chan reached, 1), within(t, time.Minute)
		go func() {
			got, _ := tryRoute(ctx, "POST", n.URL()+"/ask", question)
			seen <- got
		}()
		var r *kgo.Record
		eventually(t, 20*time.Second, "the question is read", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			i := slices.IndexFunc(s.read, func(r *kgo.Record) bool { return string(r.Value) == question })
			if i >= 0 {
				r = s.read[i]
			}
			return i >= 0
		})
		before()
		eventually(t, 20*time.Second, "the answer is taken", func() bool { // the producer may not know a new partition yet
			cl.ForceMetadataRefresh()
			return cl.ProduceSync(soon(t), answerTo(r, out, partition, body)).FirstErr() == nil
		})
		if got := <-seen; got.Status != 200 || got.Body != body {
			t.Errorf("%+v", got)
		}
	}
	// A partition that is added is read from its beginning.
	byHand("by hand", "from the new one", 2, func() {
		if err := stage.AddPartitions(soon(t), k.Address, out, 3); err != nil {
			t.Fatal(err)
		}
	})
	// A route that is gone ends no request, and a node that stops waits for it.
	byHand("without its route", "late, not lost", 1, func() { stage.DeleteRoute(t, n, "ask") })
	stage.PutRoute(t, n, "ask", toKafka("POST /ask", in, "reply", stage.Route{"topic": out, "timeout": "20s"}))
	byHand("at the end", "in time", 0, func() {
		if err := n.Process().Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		logged(t, n, "stopping")
	})
	if code, err := n.Process().Wait(within(t, time.Minute)); err != nil || code != 0 {
		t.Errorf("exit code %d, %v", code, err)
	}
}

// Requests on three nodes wait for answers that come shuffled, doubled, late and for
// others. None is mixed up, none is lost but those of a node that is killed, and whose
// clients see their connections end.
func noAnswerByKafkaIsMixedUp(t *testing.T, nodes []*stage.Node) {
	k := broker(t)
	in, out := topicNamed(t, k, "questions", 3), topicNamed(t, k, "answers", 3)
	stage.PutRoute(t, nodes[0], "ask", toKafka("POST /ask/{n}", in, "key", "{n}", "reply", stage.Route{"topic": out, "timeout": "60s"}), nodes...)
	const most, afterwards = 1000, 90
	var mu sync.Mutex
	var held []*kgo.Record
	send := func(s *topicService, records []*kgo.Record) {
		var all []*kgo.Record
		for _, r := range records {
			n := string(r.Value)
			status := fmt.Sprint(200 + len(n)%2)
			forged := answerTo(r, out, 0, "forged")
			forged.Headers[0].Value = append([]byte("AAAAAAAA"), forged.Headers[0].Value[8:]...)
			all = append(all, answerTo(r, out, rand.Int32N(3), "answer to "+n, "weft-status", status, "weft-header-n", n), forged)
			if rand.IntN(2) == 0 {
				again := *all[len(all)-2]
				all = append(all, &again)
			}
		}
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, a := range all {
			s.client.Produce(context.Background(), a, nil)
		}
	}
	s := serveTopic(t, k, in, 3, func(r *kgo.Record) []*kgo.Record {
		mu.Lock()
		defer mu.Unlock()
		held = append(held, r)
		return nil
	})
	take := func(n int) []*kgo.Record {
		t.Helper()
		eventually(t, time.Minute, "all questions are asked", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(held) >= n
		})
		mu.Lock()
		defer mu.Unlock()
		all := held
		held = nil
		return all
	}
	patience := within(t, 5*time.Minute)
	ask := func(i int) error {
		n := fmt.Sprint(i)
		got, err := tryRoute(patience, "POST", nodes[i%3].URL()+"/ask/"+n, n)
		if err == nil && (got.Body != "answer to "+n || got.Header.Get("N") != n || got.Status != 200+len(n)%2) {
			t.Errorf("%s on node %d: %d %q", n, i%3, got.Status, got.Body)
		}
		return err
	}
	var asking sync.WaitGroup
	for i := range most {
		asking.Go(func() {
			if err := ask(i); err != nil {
				t.Error(err)
			}
		})
	}
	send(s, take(most))
	asking.Wait()

	// One node is killed while its requests wait.
	var cut atomic.Int64
	for i := range afterwards {
		asking.Go(func() {
			switch err := ask(i); {
			case err != nil && i%3 == 2:
				cut.Add(1)
			case err != nil:
				t.Error(err)
			}
		})
	}
	questions := take(afterwards)
	nodes[2].Kill()
	send(s, questions)
	asking.Wait()
	if cut.Load() != afterwards/3 {
		t.Errorf("%d of %d connections to the node that was killed ended", cut.Load(), afterwards/3)
	}
	for _, n := range nodes[:2] {
		eventually(t, 20*time.Second, "nobody waits any more", func() bool { return metric(t, n, "weft_route_replies_waiting") == 0 })
	}
	// What it was asked before its end is nobody's after it: not even late.
	nodes[2].Start()
	for i := range 3 {
		asking.Go(func() {
			if err := ask(i); err != nil {
				t.Error(err)
			}
		})
	}
	old := questions[slices.IndexFunc(questions, func(r *kgo.Record) bool { n, _ := strconv.Atoi(string(r.Value)); return n%3 == 2 })]
	send(s, append(take(3), old))
	asking.Wait()
	replies := func(outcome string) float64 {
		return metric(t, nodes[2], `weft_route_replies_total{outcome="`+outcome+`"}`)
	}
	eventually(t, 20*time.Second, "all are read", func() bool { return replies("foreign") >= 4+2+1 }) // forged, the others', the old one
	if late := replies("late"); late > 0 {
		t.Errorf("%v old answers are taken for late ones", late)
	}
}
