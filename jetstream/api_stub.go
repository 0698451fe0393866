package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Node is an embedded NATS server with JetStream, the stream EVENTS and the buckets.
type Node struct{}

func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) *Node { panic("stub") }

// Open starts the server, makes stream and buckets, loads the blacklist.
func (n *Node) Open(ctx context.Context) error { panic("stub") }

// Run blocks until ctx ends or something that cannot be mended fails.
func (n *Node) Run(ctx context.Context) error { panic("stub") }
func (n *Node) Close() error                  { panic("stub") }
func (n *Node) Name() string                  { panic("stub") }

// Ready is nil when the node may serve; else its error says what is missing (safe to show to an operator).
func (n *Node) Ready() error { panic("stub") }

// ClientURL is where NATS clients connect, for logs and tests.
func (n *Node) ClientURL() string { panic("stub") }

// Errors of Publish and of a Pipeline's refusals.
var (
	// ErrUnavailable: unknown whether stored; retry with the same ID.
	ErrUnavailable = errors.New("store unavailable")
	// ErrDiskFull: refused, the disk is (nearly) full.
	ErrDiskFull = errors.New("disk full")
)

// Ack is the stream's answer.
type Ack struct {
	Seq       uint64
	Cursor    string // the cursor of this event, as a client with one subject would hold it
	Duplicate bool
}

// Publish stores one event and returns after the store. Errors: subject.ErrSubject, ErrType, ErrTooLarge
// (never stored), ErrDiskFull (not stored), ErrUnavailable (unknown).
func (n *Node) Publish(ctx context.Context, e Event) (Ack, error) { panic("stub") }

// PublishAll stores several events with all of them in flight at once, in order per subject; acks[i]/errs[i] belong to events[i].
func (n *Node) PublishAll(ctx context.Context, events []Event) ([]Ack, []error) { panic("stub") }

// A Pipeline stores a sequence of events in order, a bounded number in flight. When an answer is an error or stays away
// it stops, sends the oldest again alone until it is acked, then the rest in order.
// Put and Mark are called by one goroutine at a time.
type Pipeline struct{}

// PipelineConfig says who is told what; the callbacks are called one at a time, in order, must not block.
type PipelineConfig struct {
	Window int // events in flight, default 1024
	// Stored is told the highest mark up to which everything is stored (or refused for good).
	Stored func(mark int64)
	// Refused is told of an event that the store will never take; its mark counts as done after Refused returned.
	Refused func(e Event, mark int64, err error)
}

func (n *Node) NewPipeline(cfg PipelineConfig) (*Pipeline, error) { panic("stub") }

// Put sends e; it blocks while the window is full. mark: see PipelineConfig.Stored; -1 for a copy that is not the last one of its record.
func (p *Pipeline) Put(ctx context.Context, e Event, mark int64) error { panic("stub") }

// Mark enters a record that made no event.
func (p *Pipeline) Mark(ctx context.Context, mark int64) error { panic("stub") }

// Flush waits until all that was Put is settled, or ctx ends.
func (p *Pipeline) Flush(ctx context.Context) error { panic("stub") }

// Abandon makes the pipeline send nothing more (the partition now belongs to another). Close does so too.
func (p *Pipeline) Abandon()     { panic("stub") }
func (p *Pipeline) Close() error { panic("stub") }

// HasID reports whether an event with message id is among the messages stored under subj (the look-up after a claim,
// beyond the duplicate window). It searches back from the newest.
func (n *Node) HasID(ctx context.Context, subj, id string) (bool, error) { panic("stub") }

// Blacklist mirrors the bucket "blacklist".
type Blacklist struct{}

func (n *Node) Blacklist() *Blacklist { panic("stub") }

// BlacklistEntry is one entry. Key is the bucket key: an escaped session id or user.<escaped user>.
type BlacklistEntry struct {
	Key     string
	Session string    // unescaped, "" when the entry is for a user
	User    string    // unescaped, "" when the entry is for a session
	Value   string    // as put
	Made    time.Time // when it was put
	Before  time.Time // for a user entry: tokens with iat missing or not later than this are cut
	Expires time.Time // when it goes; zero: unknown
	Problem string    // not "": the entry can never match, and why
}

// Revoked reports whether a token is cut. Answered from memory (a map look-up). issued zero: no iat.
func (b *Blacklist) Revoked(session, user string, issued time.Time) bool { panic("stub") }

// OnEntry registers fn to be called for each new entry (not for the initial load), from one goroutine; must not block.
func (b *Blacklist) OnEntry(fn func(BlacklistEntry)) { panic("stub") }
func (b *Blacklist) Loaded() bool                    { panic("stub") }

// List is ordered by key, beginning after the key `after`.
func (b *Blacklist) List(after string, limit int) []BlacklistEntry { panic("stub") }
func (b *Blacklist) Get(session string) (BlacklistEntry, bool)     { panic("stub") }

// Put cuts a session (ttl 0: the bucket's age). name: session id, or "user.<user>" with the user unescaped.
func (b *Blacklist) Put(ctx context.Context, name string, value string, ttl time.Duration) error {
	panic("stub")
}
func (b *Blacklist) Delete(ctx context.Context, name string) error { panic("stub") }
