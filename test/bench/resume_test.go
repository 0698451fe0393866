package bench

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"weft/test/stage"
)

// What a resume may cost, in microseconds of CPU time: with nothing missed, and with ten
// events.
const (
	currentBar = 400
	tenBar     = 1000
)

// BenchmarkResume is the CPU time of a client that comes back by long poll, with so many
// events of 128 bytes stored: 10 of each of 10,000 users, and 10 and 50 of each of 100,000.
// Each poll is of another user. WEFT_RESUME_DATA names a folder in which what was stored is
// kept for the next time, so that two binaries can be compared on the same.
func BenchmarkResume(b *testing.B) {
	for _, size := range []int{100_000, 1_000_000, 5_000_000} {
		b.Run(fmt.Sprint(size, "Stored"), func(b *testing.B) {
			c := openCrowd(b, size)
			b.Logf("%d events of %d users; %s", size, c.users, machine())
			for b.Loop() {
				c.comeBack()
			}
		})
	}
}

// A crowd is users of whom events are stored.
type crowd struct {
	b      *testing.B
	node   *stage.Node
	users  int
	stored map[int][]uint64 // the sequences of some of them, who come back
	stream []byte           // what each cursor begins with
	http   *http.Client
}

// openCrowd starts a node and stores events, round and round the users.
func openCrowd(b *testing.B, size int) *crowd {
	b.Helper()
	const some = 3000
	c := &crowd{b: b, users: min(100_000, size/10), stored: map[int][]uint64{}, http: &http.Client{Transport: &http.Transport{}}}
	dir := b.TempDir()
	if kept := os.Getenv("WEFT_RESUME_DATA"); kept != "" {
		dir = filepath.Join(kept, fmt.Sprint(size))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			b.Fatal(err)
		}
	}
	c.node = stage.StartNode(b, stage.Settings(filepath.Join(dir, "node")).With("events.max_bytes", "4GiB"))
	list := filepath.Join(dir, "seqs.json")
	if text, err := os.ReadFile(list); err == nil {
		if err := json.Unmarshal(text, &c.stored); err != nil {
			b.Fatal(err)
		}
	} else {
		c.load(size, c.users/some)
		text, err := json.Marshal(c.stored)
		if err == nil {
			err = os.WriteFile(list, text, 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	c.stream = c.cursor("")[:7]
	return c
}

// load stores the events, and notes the sequences of each user whose number every divides.
func (c *crowd) load(size, every int) {
	c.b.Helper()
	nc, err := nats.Connect("nats://" + c.node.NATSAddress())
	if err != nil {
		c.b.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		c.b.Fatal(err)
	}
	payload := append(bytes.Repeat([]byte("x"), 127), mark)
	acks := map[int][]jetstream.PubAckFuture{}
	for i := range size {
		u := i % c.users
		ack, err := js.PublishAsync(fmt.Sprint("user.user", u), payload, jetstream.WithStallWait(time.Minute))
		if err != nil {
			c.b.Fatal(err)
		}
		if u%max(1, every) == 0 {
			acks[u] = append(acks[u], ack)
		}
	}
	<-js.PublishAsyncComplete()
	for u, list := range acks {
		for _, ack := range list {
			select {
			case stored := <-ack.Ok():
				c.stored[u] = append(c.stored[u], stored.Sequence)
			case err := <-ack.Err():
				c.b.Fatal(err)
			}
		}
	}
}

// cursor is what a new client is given, decoded.
func (c *crowd) cursor(user string) []byte {
	c.b.Helper()
	id, err := base64.RawURLEncoding.DecodeString(c.poll(stage.Token(c.b, "nobody"+user, nil), "", 0))
	if err != nil {
		c.b.Fatal(err)
	}
	return id
}

// after is the cursor of a client that has all up to a sequence.
func (c *crowd) after(seq uint64) string {
	return base64.RawURLEncoding.EncodeToString(binary.AppendUvarint(bytes.Clone(c.stream), seq))
}

// poll comes once and wants so many events; it returns the next cursor.
func (c *crowd) poll(token, id string, events int) string {
	c.b.Helper()
	req, err := http.NewRequest("GET", c.node.URL()+"/_weft/v1/events?"+url.Values{"wait": {"0s"}, "last_event_id": {id}}.Encode(), nil)
	if err != nil {
		c.b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	answer, err := c.http.Do(req)
	if err != nil {
		c.b.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		c.b.Fatal(err)
	}
	var got struct {
		Events []struct{ ID string }
		Last   string `json:"last_event_id"`
		Reset  bool
	}
	if err := json.Unmarshal(body, &got); err != nil || answer.StatusCode != http.StatusOK || got.Reset || len(got.Events) != events {
		c.b.Fatalf("%d, %d events, reset %v, %v; want %d events", answer.StatusCode, len(got.Events), got.Reset, err, events)
	}
	return got.Last
}

// settle waits until the node takes next to no CPU time any more: it has just started, or
// stored much.
func (c *crowd) settle() {
	c.b.Helper()
	const look = 500 * time.Millisecond
	deadline := time.Now().Add(time.Minute)
	for before := c.cpu(); ; {
		time.Sleep(look)
		now := c.cpu()
		if now-before < look/20 || time.Now().After(deadline) {
			return
		}
		before = now
	}
}

func (c *crowd) cpu() time.Duration {
	c.b.Helper()
	cpu, err := c.node.Process().CPU()
	if err != nil {
		c.b.Fatal(err)
	}
	return cpu
}

// comeBack lets users come back in several ways, each of them to a feed that has to be
// opened.
func (c *crowd) comeBack() {
	c.b.Helper()
	const times = 1000
	c.settle()
	var users []int
	for u := range c.users {
		if len(c.stored[u]) > 0 {
			users = append(users, u)
		}
	}
	head, _ := binary.Uvarint(c.cursor("")[7:])
	next := 0
	measure := func(way string, bar float64, events int, who func(i, u int, stored []uint64) (string, uint64)) {
		type visit struct{ token, id string }
		visits := make([]visit, times)
		for i := range visits {
			u := users[next%len(users)]
			next += 7
			user, seq := who(i, u, c.stored[u])
			visits[i] = visit{stage.Token(c.b, user, nil), c.after(seq)}
		}
		before := c.cpu()
		for _, v := range visits {
			c.poll(v.token, v.id, events)
		}
		each := float64((c.cpu() - before).Microseconds()) / times
		c.b.ReportMetric(each, "cpu-µs/"+way)
		if each > bar {
			c.b.Logf("OVER THE BAR: %s costs %.0f µs, may be %.0f", way, each, bar)
		}
	}
	name := func(u int) string { return fmt.Sprint("user", u) }
	measure("nobody-at-head", currentBar, 0, func(i, _ int, _ []uint64) (string, uint64) { return fmt.Sprint("a", i), head })
	measure("nobody-from-before", currentBar, 0, func(i, _ int, _ []uint64) (string, uint64) { return fmt.Sprint("b", i), head * 4 / 5 })
	measure("current-at-head", currentBar, 0, func(_, u int, _ []uint64) (string, uint64) { return name(u), head })
	measure("current-at-own-last", currentBar, 0, func(_, u int, s []uint64) (string, uint64) { return name(u), s[len(s)-1] })
	measure("nine-after-own", tenBar, 9, func(_, u int, s []uint64) (string, uint64) { return name(u), s[len(s)-10] })
	measure("ten-after-floor", tenBar, 10, func(_, u int, s []uint64) (string, uint64) { return name(u), s[len(s)-10] - 1 })
	c.b.ReportMetric(0, "ns/op") // says nothing here
}
