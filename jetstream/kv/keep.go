package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
)

// A control is what a node needs of the account with the buckets that operators
// use, too.
type control struct {
	conn    *nats.Conn
	js      js.JetStream
	replies *api.Mux
}

// bucketsEvery is how often a node looks whether the buckets are as they should be,
// beside what the blacklist's mirror notices at once.
const bucketsEvery = 2 * time.Second

// openControl connects.
func (n *Node) openControl() (err error) {
	c := &n.control
	if c.conn, err = n.Connect("control", nats.UserInfo(controlUser, n.srv.password)); err != nil {
		return err
	}
	n.undo = append(n.undo, func() error { c.conn.Close(); return nil })
	if c.js, err = js.New(c.conn); err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	if c.replies, err = api.NewMux(c.conn); err != nil {
		return err
	}
	n.blacklist.conn = c.conn
	return nil
}

// connOf is the connection to the account that a bucket is in.
func (n *Node) connOf(bucket string) *nats.Conn {
	if bucket == bucketNodes {
		return n.conn
	}
	return n.control.conn
}

// bucketConfigs are the buckets of operators as they must be.
func (n *Node) bucketConfigs() []js.KeyValueConfig {
	return []js.KeyValueConfig{
		{Bucket: bucketBlacklist, Description: "revoked sessions and users", History: 1, TTL: n.cfg.MaxTokenLife,
			LimitMarkerTTL: markerTTL, Storage: js.FileStorage, Replicas: n.cfg.replicas(), MaxBytes: bucketBytes / 2},
		{Bucket: bucketRoutes, Description: "routes from the front to the back", History: routesHistory,
			Storage: js.FileStorage, Replicas: n.cfg.replicas(), MaxBytes: bucketBytes / 4},
	}
}

// openBuckets makes the buckets if need be, or brings them up to the configuration.
func (n *Node) openBuckets(ctx context.Context) error {
	for _, cfg := range n.bucketConfigs() {
		if err := ensureBucket(ctx, n.control.js, cfg); err != nil {
			return err
		}
	}
	return nil
}

// ensureBucket makes a bucket, or brings it up to the configuration.
func ensureBucket(ctx context.Context, store js.JetStream, cfg js.KeyValueConfig) error {
	return api.Start().Do(ctx, func(ctx context.Context) error {
		_, err := store.CreateOrUpdateKeyValue(ctx, cfg)
		if errors.Is(err, js.ErrBucketExists) || errors.Is(err, js.ErrStreamNameAlreadyInUse) {
			return api.ErrTakenOver
		} else if err != nil {
			return fmt.Errorf("open bucket %s: %w", cfg.Bucket, err)
		}
		return nil
	})
}

// keepBuckets makes buckets anew that have disappeared, until ctx ends. There is no
// right to remove one; but who may use the account may find a way, and the node must
// not serve without them.
func (n *Node) keepBuckets(ctx context.Context) {
	t := time.NewTicker(bucketsEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-n.blacklist.gone:
		}
		for _, cfg := range n.bucketConfigs() {
			if err := n.keepBucket(ctx, cfg); err != nil && ctx.Err() == nil {
				n.log.Warn("look after a bucket; trying again", "bucket", cfg.Bucket, "err", err)
			}
		}
		n.dropStrangers(ctx)
	}
}

func (n *Node) keepBucket(ctx context.Context, cfg js.KeyValueConfig) error {
	try, cancel := context.WithTimeout(ctx, api.StartTry)
	stream, err := n.control.js.Stream(try, "KV_"+cfg.Bucket)
	cancel()
	switch {
	case errors.Is(err, js.ErrStreamNotFound):
		n.log.Error("a bucket is gone; making it anew", "bucket", cfg.Bucket)
		return ensureBucket(ctx, n.control.js, cfg) // who follows it fills it
	case err != nil:
		return nil // nobody leads at this moment, which others say
	case !sameBucket(stream.CachedInfo().Config, cfg):
		n.log.Error("a bucket was changed; changing it back", "bucket", cfg.Bucket)
		if err := n.changeBack(ctx, cfg); err != nil {
			return err
		}
	case cfg.Bucket != bucketBlacklist || stream.CachedInfo().State.Msgs >= uint64(n.blacklist.Len()):
		return nil
	default:
		n.log.Error("entries of the blacklist were removed without a trace; putting them back")
	}
	if cfg.Bucket != bucketBlacklist || !n.blacklist.Loaded() {
		return nil
	}
	return n.restoreBlacklist(ctx, n.blacklist.all())
}

// changeBack brings a bucket back to what it must be. One that cannot be changed, such
// as a sealed one, is removed: it is made anew as one that is gone.
func (n *Node) changeBack(ctx context.Context, cfg js.KeyValueConfig) error {
	try, cancel := context.WithTimeout(ctx, askTry)
	err := ensureBucket(try, n.control.js, cfg)
	cancel()
	try, cancel = context.WithTimeout(ctx, askTry)
	defer cancel()
	stream, lookErr := n.control.js.Stream(try, "KV_"+cfg.Bucket)
	switch {
	case lookErr != nil:
		return errors.Join(err, lookErr)
	case sameBucket(stream.CachedInfo().Config, cfg):
		return nil
	case cfg.Bucket == bucketBlacklist && !n.blacklist.Loaded():
		return err // nobody remembers what is in it
	}
	n.log.Error("a bucket cannot be changed back; removing it", "bucket", cfg.Bucket, "err", err)
	if err := n.control.js.DeleteStream(try, "KV_"+cfg.Bucket); err != nil {
		return err
	}
	return ensureBucket(ctx, n.control.js, cfg)
}

// sameBucket compares what a bucket's stream promises.
func sameBucket(have js.StreamConfig, want js.KeyValueConfig) bool {
	return have.MaxAge == want.TTL && have.MaxMsgsPerSubject == int64(want.History) && have.MaxBytes == want.MaxBytes &&
		have.Replicas == want.Replicas && have.SubjectDeleteMarkerTTL == want.LimitMarkerTTL && have.Storage == want.Storage &&
		have.MaxMsgs <= 0 && have.MaxConsumers <= 0 && have.MaxMsgSize <= 0 && have.RePublish == nil && have.Mirror == nil &&
		len(have.Sources) == 0 && len(have.Subjects) == 1 && have.Subjects[0] == "$KV."+want.Bucket+".>" &&
		have.Retention == js.LimitsPolicy && have.FirstSeq <= 1 && !have.MirrorDirect && have.ConsumerLimits == (js.StreamConsumerLimits{}) &&
		have.AllowRollup && have.AllowDirect && !have.NoAck && !have.Sealed && have.SubjectTransform == nil && have.Discard == js.DiscardNew
}

// dropStrangers removes other streams from the account, whose place a bucket may
// need.
func (n *Node) dropStrangers(ctx context.Context) {
	try, cancel := context.WithTimeout(ctx, askTry)
	defer cancel()
	names := n.control.js.StreamNames(try)
	for name := range names.Name() {
		if bucket, ok := strings.CutPrefix(name, "KV_"); ok && slices.Contains(carried, bucket) {
			continue
		}
		n.log.Error("removing a stream that nobody may make", "stream", name, "err", n.control.js.DeleteStream(try, name))
	}
}

// headerExpected lets a key be made only: 0 says that it has never had a value.
const headerExpected = "Nats-Expected-Last-Subject-Sequence"

// restoreBlacklist puts entries back that the node remembers. What was put since, or
// put back by another node, stays as it is.
func (n *Node) restoreBlacklist(ctx context.Context, entries []BlacklistEntry) error {
	messages := make(map[string]*nats.Msg, len(entries))
	now := time.Now()
	for i := range entries {
		if m := n.blacklist.messageOf(&entries[i], now); m != nil {
			m.Header.Set(headerExpected, "0")
			messages[m.Subject] = m
		}
	}
	ctx, cancel := context.WithTimeout(ctx, importWait)
	defer cancel()
	return n.putAll(ctx, messages)
}
