package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"weft/bridge"
)

// leaseBeats is how many heartbeats of a lease there are in its time, unless
// those of the group are as rare.
const leaseBeats = 12

// errSessionLost is the cause with which a session ends whose lease ran out.
var errSessionLost = errors.New("the Kafka group session has expired")

// A lease says whether the group still knows this member. The client library
// may notice a lost session late (a heartbeat may hang for its time-out, and a
// paused process first works off what it holds), and by then the partition has
// another owner. So each member sends heartbeats of its own, on a connection
// that a rebalance does not block, and counts as a member only until the
// session time-out after the last one that was answered was sent. As the broker
// counts from when it receives them, that is never later than there.
type lease struct {
	ttl   time.Duration
	start time.Time
	// renewed is when the last heartbeat that was answered well was sent, as a
	// duration since start.
	renewed atomic.Int64

	ctx    context.Context // ends with the lease
	cancel context.CancelCauseFunc
	group  sync.WaitGroup
}

// A heartbeat asks the group for the member; lost means that the group does not know it.
type heartbeat func() (lost bool, err error)

// newLease begins a lease of ttl and keeps it with send every interval until
// end is called. lose is called once if it runs out.
func newLease(ttl, interval time.Duration, send heartbeat, lose func()) *lease {
	l := &lease{ttl: ttl, start: time.Now()}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	context.AfterFunc(l.ctx, func() {
		if errors.Is(context.Cause(l.ctx), errSessionLost) {
			lose()
		}
	})
	l.group.Go(func() { l.keep(interval, send) })
	l.group.Go(l.guard)
	return l
}

// valid reports whether the member may still send. It costs a look at the clock.
func (l *lease) valid() bool { return l.ctx.Err() == nil && l.left() > 0 }

func (l *lease) left() time.Duration {
	return time.Duration(l.renewed.Load()) + l.ttl - time.Since(l.start)
}

// end gives the lease up without calling lose, and waits until a heartbeat that
// is on its way is answered.
func (l *lease) end() {
	l.cancel(context.Canceled)
	l.group.Wait()
}

func (l *lease) keep(interval time.Duration, send heartbeat) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-tick.C:
		}
		sent := time.Since(l.start)
		switch lost, err := send(); {
		case lost:
			l.cancel(errSessionLost)
		case err == nil:
			l.renewed.Store(int64(sent))
		}
	}
}

// guard ends the lease when it has run out, also while a heartbeat hangs.
func (l *lease) guard() {
	timer := time.NewTimer(l.left())
	defer timer.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-timer.C:
		}
		left := l.left()
		if left <= 0 {
			l.cancel(errSessionLost)
			return
		}
		timer.Reset(left)
	}
}

// newHeartbeat makes the heartbeat of a session, which is sent through client.
func newHeartbeat(k *bridge.KafkaConfig, client sarama.Client, session sarama.ConsumerGroupSession) heartbeat {
	return func() (bool, error) {
		coordinator, err := client.Coordinator(k.Group)
		if err != nil {
			return false, err
		}
		resp, err := coordinator.Heartbeat(&sarama.HeartbeatRequest{
			Version: 4, GroupId: k.Group, MemberId: session.MemberID(), GenerationId: session.GenerationID(),
		})
		if err != nil {
			_ = coordinator.Close() // it is opened again for the next one
			return false, err
		}
		switch resp.Err {
		case sarama.ErrNoError, sarama.ErrRebalanceInProgress:
			return false, nil
		case sarama.ErrUnknownMemberId:
			return true, resp.Err
		case sarama.ErrNotCoordinatorForConsumer, sarama.ErrConsumerCoordinatorNotAvailable:
			return false, errors.Join(resp.Err, client.RefreshCoordinator(k.Group))
		}
		// Among others an old generation: the member is joining the next one.
		return false, resp.Err
	}
}
