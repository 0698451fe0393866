package feed

import (
	"context"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/natsconn"
	"weft/jetstream/store"
)

// Params are what a Hub needs of the node that it lives on.
type Params struct {
	Store Store
	// Presence is told by connections of this node that follow a subject.
	Presence Presence
	// OpenCopies opens the connection that the delivery copies come by. deliver is called
	// with each by one goroutine, and interrupted when some may have been lost; neither
	// may call the Copies. See Live.
	OpenCopies func(deliver func(*event.Copy), interrupted func(why string)) (Copies, error)
	// Relinked is when the newest link to another node was made.
	Relinked func() time.Time
	// Clustered is set when there may be other nodes, and so other leaders.
	Clustered bool
	// Token is the node's own part of the subject of its ticks.
	Token string
}

// A Store is what a Hub asks of the stream of events; *store.Store is one. All but
// Limits may fail because nobody answers at the moment: then the Hub asks again.
type Store interface {
	// Read returns messages of a subject from a sequence on. Any replica may answer, and
	// may lag behind the leader.
	Read(ctx context.Context, subject string, from uint64, limit, maxBytes int) (store.Batch, error)
	// After returns what is stored of an exact subject after a sequence from this node's
	// own copy of the stream, which has come to the sequence until. It is ok only when
	// nothing that came after is missing; else Read must be asked.
	After(ctx context.Context, subject string, after, until uint64, limit, maxBytes int) (b store.Batch, ok bool)
	// Next returns the sequence of a subject's first message from a sequence on, as the
	// leader sees it; 0: there is none.
	Next(ctx context.Context, subject string, from uint64) (uint64, error)
	// First returns that message itself; it is not ok when there is none.
	First(ctx context.Context, subject string, from uint64) (m event.Stored, ok bool, err error)
	// Head returns the sequence of a subject's newest message, as the leader sees it; 0:
	// there is none.
	Head(ctx context.Context, subject string) (uint64, error)
	// Before returns the sequence up to which all was stored before a time; what follows
	// was not.
	Before(ctx context.Context, t time.Time) (uint64, error)
	// Count returns how many messages are stored under an exact subject.
	Count(ctx context.Context, subject string) (uint64, error)
	// State asks the leader.
	State(ctx context.Context) (store.State, error)
	// Barrier asks a majority for a sequence beyond all that was acknowledged before.
	Barrier(ctx context.Context) (uint64, error)
	// Consume reads the stream by a consumer until ctx ends.
	Consume(ctx context.Context, cfg js.ConsumerConfig) (store.Consumer, error)
	// Tick sends a tick with a payload, which comes back as a delivery copy if all goes
	// well. With a mark it is kept in the stream for as long as events are.
	Tick(mark string, payload []byte) error
	// Leader tells that another node leads the stream.
	Leader() *api.Leadership
	Limits() event.Limits
}

// Presence is given what answers whether connections of this node follow a subject by its
// name, or did until a moment ago; *presence.Presence is one.
type Presence interface {
	Handle(follows func(subject string) bool)
	// Changed is told that a topic has one connection more, or less, that follows it by
	// its name. It must not block.
	Changed(subject string)
}

// Copies is the connection that delivery copies come by, all of them in the order in which
// the stream's leader sent them; *natsconn.Live is one.
type Copies interface {
	// Subscribe asks for the copies on a subject. They surely come once a later Flush
	// has returned.
	Subscribe(subject string) natsconn.Subscription
	Unsubscribe(id natsconn.Subscription)
	Flush(ctx context.Context) error
	Close()
}

// Live is how a node opens its copies.
func Live(open func(deliver func(*event.Copy), interrupted func(why string)) (*natsconn.Live, error)) func(func(*event.Copy), func(string)) (Copies, error) {
	return func(deliver func(*event.Copy), interrupted func(string)) (Copies, error) {
		live, err := open(deliver, interrupted)
		if err != nil {
			return nil, err // and not a Copies that holds no connection
		}
		return live, nil
	}
}
