package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
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

// A Stream is the stream EVENTS: how it must be, and how it is.
type Stream struct {
	params    *Params
	leader    *api.Leadership
	evictions *evictions
	id        atomic.Pointer[event.StreamID]
	secret    atomic.Pointer[string] // of the stream's message ids
	reached   atomic.Uint64          // the newest sequence that was acknowledged to this node's ticks
}

func newStream(p *Params, m *metrics) *Stream {
	s := &Stream{params: p, leader: api.NewLeadership(), evictions: &evictions{limits: p.Limits, log: p.Log, metrics: m}}
	s.id.Store(new(event.StreamID))
	s.secret.Store(new(string))
	return s
}

// Leader tells when another node leads the stream.
func (s *Stream) Leader() *api.Leadership { return s.leader }

// Limits returns the limits of the stream.
func (s *Stream) Limits() event.Limits { return s.params.Limits }

// config is the stream as it must be.
func (s *Stream) config(id event.StreamID, secret string) js.StreamConfig {
	return js.StreamConfig{
		Name:              event.StreamName,
		Subjects:          []string{"user.*", "topic.>", "tick.>"},
		Storage:           js.FileStorage,
		Replicas:          s.params.Replicas,
		Discard:           js.DiscardOld,
		MaxAge:            s.params.Limits.MaxAge,
		MaxMsgsPerSubject: int64(s.params.Limits.MaxPerSubject),
		MaxBytes:          int64(s.params.Limits.MaxBytes),
		Duplicates:        min(duplicateWindow, s.params.Limits.MaxAge),
		AllowDirect:       true,
		RePublish:         &js.RePublish{Source: ">", Destination: "out.>"},
		Metadata:          map[string]string{metaStreamID: hex.EncodeToString(id[:]), metaSecret: secret},
	}
}

// ensure makes the stream, or brings its limits up to the configuration.
func (s *Stream) ensure(ctx context.Context) error {
	return api.Start().Do(ctx, func(ctx context.Context) error {
		stream, err := s.params.Client.JS.Stream(ctx, event.StreamName)
		if errors.Is(err, js.ErrStreamNotFound) {
			var id event.StreamID
			rand.Read(id[:])
			stream, err = s.params.Client.JS.CreateStream(ctx, s.config(id, newSecret()))
			if errors.Is(err, js.ErrStreamNameAlreadyInUse) {
				return api.ErrTakenOver
			} else if err != nil {
				return fmt.Errorf("create stream %s: %w", event.StreamName, err)
			}
			s.params.Log.Info("stream created", "stream", event.StreamName)
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
		want := s.config(id, cmp.Or(secret, *s.secret.Load(), newSecret()))
		if err != nil || secret == "" || !sameStream(have, want) {
			if _, err := s.params.Client.JS.UpdateStream(ctx, want); err != nil {
				return fmt.Errorf("update stream %s: %w", event.StreamName, err)
			}
			s.params.Log.Info("stream updated", "stream", event.StreamName, "max_age", want.MaxAge,
				"max_per_subject", want.MaxMsgsPerSubject, "max_bytes", want.MaxBytes)
		}
		if secret == "" { // another node may have given it one at the same time: the last counts
			if stream, err = s.params.Client.JS.Stream(ctx, event.StreamName); err != nil {
				return fmt.Errorf("look up stream %s: %w", event.StreamName, err)
			}
			secret = secretOf(stream.CachedInfo().Config.Metadata)
		}
		if secret == "" {
			return api.ErrTakenOver
		}
		s.learnSecret(secret)
		s.learnID(id)
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
func (s *Stream) State(ctx context.Context) (State, error) {
	return api.WhileLed(ctx, s.leader, s.state)
}

func (s *Stream) state(ctx context.Context) (State, error) {
	stream, err := s.params.Client.JS.Stream(ctx, event.StreamName)
	if errors.Is(err, js.ErrStreamNotFound) {
		s.params.Log.Error("the stream is gone; making it anew", "stream", event.StreamName)
		if err := s.ensure(ctx); err != nil {
			return State{}, err
		}
		stream, err = s.params.Client.JS.Stream(ctx, event.StreamName)
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
	s.learnID(id)
	if secret := secretOf(info.Config.Metadata); secret != "" {
		s.learnSecret(secret)
	} else if err := s.ensure(ctx); err != nil { // somebody has written the metadata anew
		return State{}, err
	}
	s.evictions.see(&st)
	return st, nil
}

// Count asks the leader how many messages are stored under an exact subject. It
// fails with ErrUnavailable.
func (s *Stream) Count(ctx context.Context, subject string) (uint64, error) {
	return api.WhileLed(ctx, s.leader, func(ctx context.Context) (uint64, error) {
		stream, err := s.params.Client.JS.Stream(ctx, event.StreamName)
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
func (s *Stream) StreamID() event.StreamID { return *s.id.Load() }

// CursorAt returns the text of the cursor of a client with one subject that
// has everything up to seq.
func (s *Stream) CursorAt(seq uint64) string {
	return event.Cursor{Stream: s.StreamID(), Floor: seq}.String()
}
