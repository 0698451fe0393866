package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/stage"
)

// BenchmarkKafkaToBrowser drains a backlog of 400,000 records of 128 bytes in 8
// partitions, for 1,000 users with one SSE connection each. The records are
// one transaction of Kafka, which is committed when all connections are open. The time runs
// from the first event that a browser has to the last, the processor time from the commit;
// silence-ms is the longest time in between without an event for anybody.
//
// Several servers drain in turn, round by round, and the medians are told:
//
//	WEFT_BINARY             Weft, which stores each event on disk and finds the user in the JSON
//	WEFT_BENCH_BEFORE       another binary of Weft, of before
//	WEFT_BENCH_CENTRIFUGO   Centrifugo 6, which finds the channel in a header and keeps history in memory
//	WEFT_BENCH_ROUNDS       how many rounds; 5
//	WEFT_BENCH_RECORDS      how many records; 400000
//
// Run it with
//
//	CGO_ENABLED=0 go install github.com/centrifugal/centrifugo/v6@v6.9.1
//	WEFT_BENCH_CENTRIFUGO=$(go env GOPATH)/bin/centrifugo go test -run '^$' -bench KafkaToBrowser -benchtime 1x ./test/bench
func BenchmarkKafkaToBrowser(b *testing.B) {
	d := drain{size: 128, users: 1000, records: number("WEFT_BENCH_RECORDS", 400_000), partitions: 8}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	d.kafka = startKafka(ctx, b)
	servers := []drained{{name: "weft", start: d.weft("WEFT_BINARY")}}
	if os.Getenv("WEFT_BENCH_BEFORE") != "" {
		servers = append(servers, drained{name: "before", start: d.weft("WEFT_BENCH_BEFORE")})
	}
	if os.Getenv("WEFT_BENCH_CENTRIFUGO") != "" {
		servers = append(servers, drained{name: "centrifugo", start: d.centrifugo})
	}
	b.Logf("%d records of %d bytes, %d partitions, %d users; %s", d.records, d.size, d.partitions, d.users, machine())
	for b.Loop() {
		for range number("WEFT_BENCH_ROUNDS", 5) {
			for i := range servers {
				d.round(ctx, b, &servers[i])
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, s := range servers {
		b.ReportMetric(median(s.cpu), s.name+"-cpu-µs/event")
		b.ReportMetric(median(s.rate), s.name+"-events/s")
		b.ReportMetric(median(s.silence), s.name+"-silence-ms")
	}
}

// A drain is what all servers drain.
type drain struct {
	kafka                *stage.Kafka
	size, users, records int
	partitions           int32
	rounds               int    // so far
	topic                string // of this round
}

// drained is one of the servers, and what its rounds gave.
type drained struct {
	name               string
	start              func(b *testing.B) endpoint
	cpu, rate, silence []float64
}

// An endpoint is where a process gives the events of a user.
type endpoint struct {
	process *stage.Process
	address string
	request func(user string) string // a request for SSE
	opened  string                   // what is in the answer once the user is subscribed
}

// round drains the backlog once.
func (d *drain) round(ctx context.Context, b *testing.B, s *drained) {
	b.Helper()
	d.rounds++
	d.topic = fmt.Sprint("drained-by-", s.name, "-", d.rounds)
	if err := stage.CreateTopic(ctx, d.kafka.Address, d.topic, d.partitions); err != nil {
		b.Fatal(err)
	}
	commit, err := d.produce(ctx, s.name == "centrifugo")
	if err != nil {
		b.Fatal(err)
	}
	at := s.start(b)
	defer at.process.Kill()
	began := time.Now()
	var delivered, first, last, silence atomic.Int64
	done := make(chan struct{}, 1)
	came := func(n int) {
		now := int64(time.Since(began))
		first.CompareAndSwap(0, now)
		if before := last.Swap(now); before != 0 {
			for gap := now - before; ; {
				most := silence.Load()
				if gap <= most || silence.CompareAndSwap(most, gap) {
					break
				}
			}
		}
		if delivered.Add(int64(n)) >= int64(d.records) {
			select {
			case done <- struct{}{}:
			default:
			}
		}
	}
	conns := make([]net.Conn, d.users)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	var opening sync.WaitGroup
	var next atomic.Int64
	for range 16 {
		opening.Go(func() {
			for i := int(next.Add(1)) - 1; i < d.users; i = int(next.Add(1)) - 1 {
				var err error
				if conns[i], err = at.follow(fmt.Sprint("user", i), came); err != nil {
					b.Errorf("%s: follow: %v", s.name, err)
				}
			}
		})
	}
	opening.Wait()
	if b.Failed() {
		b.FailNow()
	}
	before, err := at.process.CPU()
	if err != nil {
		b.Fatal(err)
	}
	if err := commit(); err != nil {
		b.Fatal(err)
	}
	for quiet := int64(-1); ; {
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			if now := delivered.Load(); now != quiet {
				quiet = now
				continue
			}
			b.Fatalf("%s: %d of %d events delivered\n%s", s.name, delivered.Load(), d.records, strings.Join(at.process.Output(), "\n"))
		}
		break
	}
	after, err := at.process.CPU()
	if err != nil {
		b.Fatal(err)
	}
	n := float64(d.records)
	cpu, took := float64((after-before).Microseconds())/n, time.Duration(last.Load()-first.Load())
	s.cpu, s.rate, s.silence = append(s.cpu, cpu), append(s.rate, n/took.Seconds()), append(s.silence, float64(silence.Load())/1e6)
	b.Logf("%-10s %5.1f µs/event %7.0f events/s, longest silence %3.0f ms, %d delivered", s.name, cpu, n/took.Seconds(),
		float64(silence.Load())/1e6, delivered.Load())
}

// follow holds a bare SSE connection that counts the events that come.
func (e *endpoint) follow(user string, came func(n int)) (net.Conn, error) {
	conn, err := net.Dial("tcp", e.address)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte(e.request(user))); err != nil {
		return conn, err
	}
	buf, n := make([]byte, 4<<10), 0
	for !bytes.Contains(buf[:n], []byte(e.opened)) {
		k, err := conn.Read(buf[n:])
		if err != nil || n+k == len(buf) {
			return conn, fmt.Errorf("%w after %.300q", err, buf[:n])
		}
		n += k
	}
	go func() {
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			if k := bytes.Count(buf[:n], []byte{mark}); k > 0 {
				came(k)
			}
		}
	}()
	return conn, nil
}

// weft starts the binary of Weft that a variable names.
func (d *drain) weft(variable string) func(b *testing.B) endpoint {
	return func(b *testing.B) endpoint {
		if variable != "WEFT_BINARY" {
			own := os.Getenv("WEFT_BINARY")
			os.Setenv("WEFT_BINARY", os.Getenv(variable))
			defer os.Setenv("WEFT_BINARY", own)
		}
		node := stage.StartNode(b, stage.Settings(b.TempDir()).
			With("kafka.group", fmt.Sprint("weft-", d.rounds)).
			With("kafka.read_committed", true).
			Kafka(d.kafka.Address, stage.Source{"topic": d.topic, "to": []string{"user.{/customer}"}, "start": "oldest"}))
		return endpoint{process: node.Process(), address: node.Address(), opened: "weft.open", request: func(user string) string {
			return fmt.Sprintf("GET /_weft/v1/events HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n",
				node.Address(), stage.Token(b, user, nil))
		}}
	}
}

// centrifugo starts Centrifugo with history in memory.
func (d *drain) centrifugo(b *testing.B) endpoint {
	b.Helper()
	address, err := stage.FreeAddresses(1)
	if err != nil {
		b.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address[0])
	config, err := json.Marshal(map[string]any{
		"http_server": map[string]any{"address": "127.0.0.1", "port": port},
		"log":         map[string]any{"level": "error"},
		"uni_sse":     map[string]any{"enabled": true},
		"health":      map[string]any{"enabled": true},
		"client":      map[string]any{"allow_anonymous_connect_without_token": true, "allowed_origins": []string{"*"}},
		"channel": map[string]any{"without_namespace": map[string]any{
			"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
			"history_size": 100, "history_ttl": "24h", "force_recovery": true}},
		"consumers": []any{map[string]any{"enabled": true, "name": "orders", "type": "kafka", "kafka": map[string]any{
			"brokers": []string{d.kafka.Address}, "topics": []string{d.topic}, "consumer_group": fmt.Sprint("centrifugo-", d.rounds),
			"publication_data_mode": map[string]any{"enabled": true, "channels_header": "centrifugo-channels"}}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "centrifugo.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		b.Fatal(err)
	}
	p, err := stage.StartProcess("centrifugo", exec.Command(os.Getenv("WEFT_BENCH_CENTRIFUGO"), "--config", file))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Kill)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if answer, err := http.Get("http://" + address[0] + "/health"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				break
			}
		}
		if p.Ended() || time.Now().After(deadline) {
			b.Fatalf("centrifugo does not answer:\n%s", strings.Join(p.Output(), "\n"))
		}
	}
	return endpoint{process: p, address: address[0], opened: `"subs"`, request: func(user string) string {
		connect := url.QueryEscape(fmt.Sprintf(`{"subs":{%q:{"recover":true}}}`, user))
		return fmt.Sprintf("GET /connection/uni_sse?cf_connect=%s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", connect, address[0])
	}}
}

// produce writes the backlog in a transaction, which commit ends.
func (d *drain) produce(ctx context.Context, channels bool) (commit func() error, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(d.kafka.Address), kgo.DefaultProduceTopic(d.topic), kgo.ProducerLinger(10*time.Millisecond),
		kgo.TransactionalID(d.topic), kgo.TransactionTimeout(10*time.Minute))
	if err != nil {
		return nil, err
	}
	if err := cl.BeginTransaction(); err != nil {
		return nil, err
	}
	var failed atomic.Pointer[error]
	for i := range d.records {
		user := fmt.Sprint("user", i*7919%d.users)
		value := fmt.Appendf(nil, `{"id":%d,"customer":%q,"note":"`, i, user)
		for len(value) < d.size-3 {
			value = append(value, 'x')
		}
		r := &kgo.Record{Key: []byte(user), Value: append(append(value, mark), `"}`...)}
		if channels {
			r.Headers = []kgo.RecordHeader{{Key: "centrifugo-channels", Value: []byte(user)}}
		}
		cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return nil, err
	}
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return func() error {
		defer cl.Close()
		return cl.EndTransaction(ctx, kgo.TryCommit)
	}, nil
}

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil && n > 0 {
		return n
	}
	return otherwise
}
