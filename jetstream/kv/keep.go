package kv

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
)

// keepEvery is how often a node looks whether the buckets are as they should be,
// beside what a Watch notices at once.
const keepEvery = 2 * time.Second

// A Memory knows what is in a bucket and puts it back; a Watch is one.
type Memory interface {
	Loaded() bool
	// Lacks reports whether a bucket with so many messages, the newest with the given
	// sequence, has lost some that must be put back.
	Lacks(messages, newest uint64) bool
	Restore(ctx context.Context) error
}

// A Kept is a bucket that is looked after.
type Kept struct {
	Config js.KeyValueConfig
	Memory Memory // nil: nobody remembers what is in it
}

func (k *Kept) remembered() bool { return k.Memory != nil && k.Memory.Loaded() }

// A Keeper looks after the buckets of an account in which there is nothing else.
type Keeper struct {
	account *Account
	buckets []Kept
	log     *slog.Logger
}

// NewKeeper makes a Keeper; Open makes the buckets, Run looks after them.
func NewKeeper(account *Account, buckets []Kept, log *slog.Logger) *Keeper {
	return &Keeper{account, buckets, log}
}

// Open makes the buckets if need be, or brings them up to the configuration.
func (k *Keeper) Open(ctx context.Context) error {
	for i := range k.buckets {
		if err := Ensure(ctx, k.account.JS, k.buckets[i].Config); err != nil {
			return err
		}
	}
	return nil
}

// Run makes buckets anew that have disappeared, until ctx ends. There is no right to
// remove one; but who may use the account may find a way, and the node must not serve
// without them. It looks at once when one of missed gets a token.
func (k *Keeper) Run(ctx context.Context, missed ...<-chan struct{}) {
	look := make(chan struct{}, 1)
	var hearing sync.WaitGroup
	defer hearing.Wait()
	for _, m := range missed {
		hearing.Go(func() { forward(ctx, m, look) })
	}
	t := time.NewTicker(keepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-look:
		}
		for i := range k.buckets {
			b := &k.buckets[i]
			if err := k.keep(ctx, b); err != nil && ctx.Err() == nil {
				k.log.Warn("look after a bucket; trying again", "bucket", b.Config.Bucket, "err", err)
			}
		}
		k.dropStrangers(ctx)
	}
}

func forward(ctx context.Context, from <-chan struct{}, to chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-from:
		}
		select {
		case to <- struct{}{}:
		default:
		}
	}
}

func (k *Keeper) keep(ctx context.Context, b *Kept) error {
	bucket := b.Config.Bucket
	try, cancel := context.WithTimeout(ctx, api.StartTry)
	stream, err := k.account.JS.Stream(try, Stream(bucket))
	cancel()
	switch {
	case errors.Is(err, js.ErrStreamNotFound):
		k.log.Error("a bucket is gone; making it anew", "bucket", bucket)
		return k.ensure(ctx, b) // who follows it fills it
	case err != nil:
		return nil // nobody leads at this moment, which others say
	case !same(stream.CachedInfo().Config, b.Config):
		k.log.Error("a bucket was changed; changing it back", "bucket", bucket)
		if err := k.changeBack(ctx, b); err != nil {
			return err
		}
	case b.Memory == nil || !b.Memory.Lacks(stream.CachedInfo().State.Msgs, stream.CachedInfo().State.LastSeq):
		return nil
	default:
		k.log.Error("entries of a bucket were removed without a trace; putting them back", "bucket", bucket)
	}
	if !b.remembered() {
		return nil
	}
	return b.Memory.Restore(ctx)
}

// changeBack brings a bucket back to what it must be. One that cannot be changed, such
// as a sealed one, is removed: it is made anew as one that is gone.
func (k *Keeper) changeBack(ctx context.Context, b *Kept) error {
	bucket := b.Config.Bucket
	err := k.ensure(ctx, b)
	try, cancel := context.WithTimeout(ctx, askTry)
	defer cancel()
	stream, lookErr := k.account.JS.Stream(try, Stream(bucket))
	switch {
	case lookErr != nil:
		return errors.Join(err, lookErr)
	case same(stream.CachedInfo().Config, b.Config):
		return nil
	case b.Memory != nil && !b.Memory.Loaded():
		return err // nobody remembers yet what is in it
	}
	k.log.Error("a bucket cannot be changed back; removing it", "bucket", bucket, "err", err)
	if err := k.account.JS.DeleteStream(try, Stream(bucket)); err != nil {
		return err
	}
	return k.ensure(ctx, b)
}

// ensure makes a bucket, or changes it. What does not succeed soon is looked at again: who
// may use the account may have made another in its place, which cannot be changed.
func (k *Keeper) ensure(ctx context.Context, b *Kept) error {
	ctx, cancel := context.WithTimeout(ctx, askTry)
	defer cancel()
	return Ensure(ctx, k.account.JS, b.Config)
}

// same compares what a bucket's stream promises.
func same(have js.StreamConfig, want js.KeyValueConfig) bool {
	return have.MaxAge == want.TTL && have.MaxMsgsPerSubject == int64(want.History) && have.MaxBytes == want.MaxBytes &&
		have.Replicas == want.Replicas && have.SubjectDeleteMarkerTTL == want.LimitMarkerTTL && have.Storage == want.Storage &&
		have.MaxMsgs <= 0 && have.MaxConsumers <= 0 && have.MaxMsgSize <= 0 && have.RePublish == nil && have.Mirror == nil &&
		len(have.Sources) == 0 && len(have.Subjects) == 1 && have.Subjects[0] == Subject(want.Bucket, ">") &&
		have.Retention == js.LimitsPolicy && have.FirstSeq <= 1 && !have.MirrorDirect && have.ConsumerLimits == (js.StreamConsumerLimits{}) &&
		have.AllowRollup && have.AllowDirect && !have.NoAck && !have.Sealed && have.SubjectTransform == nil && have.Discard == js.DiscardNew
}

// dropStrangers removes other streams from the account, whose place a bucket may
// need.
func (k *Keeper) dropStrangers(ctx context.Context) {
	try, cancel := context.WithTimeout(ctx, askTry)
	defer cancel()
	names := k.account.JS.StreamNames(try)
	for name := range names.Name() {
		bucket, ok := strings.CutPrefix(name, Stream(""))
		if ok && slices.ContainsFunc(k.buckets, func(b Kept) bool { return b.Config.Bucket == bucket }) {
			continue
		}
		k.log.Error("removing a stream that nobody may make", "stream", name, "err", k.account.JS.DeleteStream(try, name))
	}
}
