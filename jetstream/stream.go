package jetstream

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

const (
	// duplicateWindow is how long the stream remembers message ids.
	duplicateWindow = 2 * time.Minute
	// metaStreamID is the metadata key of the stream that holds its identity.
	metaStreamID = "weft_stream_id"
)

// State is what the stream's leader says of the stream.
type State struct {
	// Leader and LeaderSince change whenever another node leads; both are
	// empty on a standalone node.
	Leader      string
	LeaderSince time.Time
	First, Last uint64 // sequences stored; Last is kept when all is gone
	// Oldest is when the first message was stored; zero when there is none.
	Oldest   time.Time
	ID       event.StreamID
	Bytes    uint64
	Messages uint64
}

// streamConfig is the stream as it must be.
func (n *Node) streamConfig(id event.StreamID, secret string) js.StreamConfig {
	return js.StreamConfig{
		Name:              event.StreamName,
		Subjects:          []string{"user.*", "topic.>", "tick.>"},
		Storage:           js.FileStorage,
		Replicas:          n.cfg.replicas(),
		Discard:           js.DiscardOld,
		MaxAge:            n.cfg.Events.MaxAge,
		MaxMsgsPerSubject: int64(n.cfg.Events.MaxPerSubject),
		MaxBytes:          int64(n.cfg.Events.MaxBytes),
		Duplicates:        min(duplicateWindow, n.cfg.Events.MaxAge),
		AllowDirect:       true,
		RePublish:         &js.RePublish{Source: ">", Destination: "out.>"},
		Metadata:          map[string]string{metaStreamID: hex.EncodeToString(id[:]), metaSecret: secret},
	}
}

// ensureStream makes the stream, or brings its limits up to the configuration.
func (n *Node) ensureStream(ctx context.Context) error {
	return api.Start().Do(ctx, func(ctx context.Context) error {
		stream, err := n.js.Stream(ctx, event.StreamName)
		if errors.Is(err, js.ErrStreamNotFound) {
			var id event.StreamID
			rand.Read(id[:])
			stream, err = n.js.CreateStream(ctx, n.streamConfig(id, newSecret()))
			if errors.Is(err, js.ErrStreamNameAlreadyInUse) {
				return api.ErrTakenOver
			} else if err != nil {
				return fmt.Errorf("create stream %s: %w", event.StreamName, err)
			}
			n.log.Info("stream created", "stream", event.StreamName)
		} else if err != nil {
			return fmt.Errorf("look up stream %s: %w", event.StreamName, err)
		}
		have := stream.CachedInfo().Config
		id, err := streamID(have.Metadata)
		if err != nil {
			// Made by other hands: it gets an identity, which resets all
			// cursors that were handed out before.
			rand.Read(id[:])
		}
		secret := secretOf(have.Metadata)
		want := n.streamConfig(id, cmp.Or(secret, *n.secret.Load(), newSecret()))
		if err != nil || secret == "" || !sameStream(have, want) {
			if _, err := n.js.UpdateStream(ctx, want); err != nil {
				return fmt.Errorf("update stream %s: %w", event.StreamName, err)
			}
			n.log.Info("stream updated", "stream", event.StreamName, "max_age", want.MaxAge,
				"max_per_subject", want.MaxMsgsPerSubject, "max_bytes", want.MaxBytes)
		}
		if secret == "" { // another node may have given it one at the same time: the last counts
			if stream, err = n.js.Stream(ctx, event.StreamName); err != nil {
				return fmt.Errorf("look up stream %s: %w", event.StreamName, err)
			}
			secret = secretOf(stream.CachedInfo().Config.Metadata)
		}
		if secret == "" {
			return api.ErrTakenOver
		}
		n.learnSecret(secret)
		n.streamID.Store(&id)
		return nil
	})
}

func sameStream(have, want js.StreamConfig) bool {
	return have.MaxAge == want.MaxAge && have.MaxMsgsPerSubject == want.MaxMsgsPerSubject &&
		have.MaxBytes == want.MaxBytes && have.Duplicates == want.Duplicates && have.AllowDirect &&
		have.RePublish != nil && *have.RePublish == *want.RePublish && have.Replicas == want.Replicas
}

func streamID(meta map[string]string) (id event.StreamID, err error) {
	b, err := hex.DecodeString(meta[metaStreamID])
	if err != nil || len(b) != len(id) {
		return id, errors.New("stream has no identity")
	}
	copy(id[:], b)
	return id, nil
}

// State asks the leader. It fails with ErrUnavailable when nobody answers.
func (n *Node) State(ctx context.Context) (State, error) {
	return api.WhileLed(ctx, n.leader, n.state)
}

func (n *Node) state(ctx context.Context) (State, error) {
	stream, err := n.js.Stream(ctx, event.StreamName)
	if errors.Is(err, js.ErrStreamNotFound) {
		n.log.Error("the stream is gone; making it anew", "stream", event.StreamName)
		if err := n.ensureStream(ctx); err != nil {
			return State{}, err
		}
		stream, err = n.js.Stream(ctx, event.StreamName)
	}
	if err != nil {
		return State{}, fmt.Errorf("%w: stream info: %w", api.ErrUnavailable, err)
	}
	info := stream.CachedInfo()
	id, err := streamID(info.Config.Metadata)
	if err != nil {
		return State{}, err
	}
	st := State{First: info.State.FirstSeq, Last: info.State.LastSeq, ID: id,
		Bytes: info.State.Bytes, Messages: info.State.Msgs}
	if st.Messages > 0 {
		st.Oldest = info.State.FirstTime
	}
	if c := info.Cluster; c != nil {
		st.Leader = c.Leader
		if c.LeaderSince != nil {
			st.LeaderSince = *c.LeaderSince
		}
	}
	n.streamID.Store(&id)
	if secret := secretOf(info.Config.Metadata); secret != "" {
		n.learnSecret(secret)
	} else if err := n.ensureStream(ctx); err != nil { // somebody has written the metadata anew
		return State{}, err
	}
	n.fill.see(&st)
	return st, nil
}

// Count asks the leader how many messages are stored under an exact subject. It
// fails with ErrUnavailable.
func (n *Node) Count(ctx context.Context, subject string) (uint64, error) {
	return api.WhileLed(ctx, n.leader, func(ctx context.Context) (uint64, error) {
		stream, err := n.js.Stream(ctx, event.StreamName)
		if err != nil {
			return 0, fmt.Errorf("%w: stream info: %w", api.ErrUnavailable, err)
		}
		info, err := stream.Info(ctx, js.WithSubjectFilter(subject))
		if err != nil {
			return 0, fmt.Errorf("%w: count %s: %w", api.ErrUnavailable, subject, err)
		}
		return info.State.Subjects[subject], nil
	})
}

// StreamID returns the identity of the stream as last seen.
func (n *Node) StreamID() event.StreamID { return *n.streamID.Load() }

// CursorAt returns the text of the cursor of a client with one subject that
// has everything up to seq.
func (n *Node) CursorAt(seq uint64) string {
	return event.Cursor{Stream: n.StreamID(), Floor: seq}.String()
}
