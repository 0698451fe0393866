package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/follow"
)

// skews are how wrong the clocks of the publishers are. A record may be as old as
// events.max_age, and the broker takes none that is more than an hour in the future
// (message.timestamp.after.max.ms).
var skews = []time.Duration{-23 * time.Hour, -5 * time.Hour, 50 * time.Minute, 0}

// skewedEvents is how many events each publisher publishes.
const skewedEvents = 80

// wrongClock kills a node while publishers work whose clocks are hours wrong: by the
// timestamps of their Kafka records, or by the time of their CloudEvents.
var wrongClock = newWrongClock()

var wrongClocks atomic.Int64

func newWrongClock() Fault {
	var found []error
	return Fault{
		Name: "publishers with wrong clocks",
		Apply: func(ctx context.Context, c *Cluster) error {
			publishers, err := startSkewed(ctx, c)
			if err != nil {
				return err
			}
			defer publishers.close()
			if err := c.kill(ctx, c.victim(ctx, false)); err != nil {
				return err
			}
			found = publishers.finish()
			return ctx.Err()
		},
		Check: func(*Round) error { return errors.Join(found...) },
	}
}

// skewed are publishers with wrong clocks and a device of each one's user.
type skewed struct {
	c        *Cluster
	producer *kgo.Client
	stop     context.CancelFunc
	ctx      context.Context // of the devices
	devices  map[string]*follow.Follower

	following, publishing sync.WaitGroup
	mu                    sync.Mutex
	found                 []error
}

func startSkewed(ctx context.Context, c *Cluster) (*skewed, error) {
	s := &skewed{c: c, devices: map[string]*follow.Follower{}}
	var err error
	if s.producer, err = kgo.NewClient(kgo.SeedBrokers(c.Kafka.Address), kgo.DefaultProduceTopic(topicName), kgo.ProducerLinger(0)); err != nil {
		return nil, fmt.Errorf("connect producer: %w", err)
	}
	s.ctx, s.stop = context.WithCancel(ctx)
	number := wrongClocks.Add(1)
	for i, skew := range skews {
		for way, publish := range map[string]func(ctx context.Context, user string, n int, at time.Time) error{
			"kafka": s.overKafka, "http": s.overHTTP,
		} {
			user := fmt.Sprintf("clock-%d-%s-%d", number, way, i)
			d := c.device(user, client.Transports)
			s.devices[user] = d
			s.following.Go(func() { d.Run(s.ctx) })
			if err := d.AwaitID(ctx); err != nil {
				s.close()
				return nil, fmt.Errorf("connect %s: %w", user, err)
			}
			s.publishing.Go(func() {
				for n := 1; n <= skewedEvents; n++ {
					if err := publish(ctx, user, n, time.Now().Add(skew)); err != nil {
						s.fault("publish event %d of %s, whose clock is %v wrong: %w", n, user, skew, err)
						return
					}
					if waitfor.Time(ctx, busyEvery) != nil {
						return
					}
				}
			})
		}
	}
	return s, nil
}

func (s *skewed) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, fmt.Errorf(format, args...))
}

func (s *skewed) overKafka(ctx context.Context, user string, n int, at time.Time) error {
	return s.producer.ProduceSync(ctx, &kgo.Record{Key: []byte(user), Value: payload("kafka", user, n), Timestamp: at}).FirstErr()
}

func (s *skewed) overHTTP(ctx context.Context, user string, n int, at time.Time) error {
	p := newAdmin(s.c)
	defer p.close()
	p.header = http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {fmt.Sprint(n)}, "Ce-Source": {"/clock/" + user},
		"Ce-Type": {"clock"}, "Ce-Time": {at.UTC().Format(time.RFC3339Nano)}, "Ce-User": {user}}
	_, err := p.publish(ctx, user, n)
	return err
}

// finish waits until all is published and has come, and returns what must not have
// happened.
func (s *skewed) finish() []error {
	s.publishing.Wait()
	ctx, cancel := context.WithTimeout(s.ctx, catchUp)
	defer cancel()
	want := make([]int, skewedEvents)
	for i := range want {
		want[i] = i + 1
	}
	for user, d := range s.devices {
		err := d.AwaitNumber(ctx, skewedEvents)
		seen, _ := d.Take()
		if t := follow.Count(follow.Numbers(seen), want); err != nil || !t.Faultless() || t.Resets > 0 {
			s.fault("%s: %d lost, %d doubled, %d reordered, %d resets: %v", user, t.Lost, t.Doubled, t.Reordered, t.Resets, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found
}

func (s *skewed) close() {
	s.stop()
	s.following.Wait()
	s.publishing.Wait()
	s.producer.Close()
}
