package api

import (
	"context"
	"errors"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
)

const (
	// StartTry bounds one request while the node starts: requests that come
	// before there is a leader are dropped without an answer. The first ones are given
	// up sooner, since a leader that has just been elected drops some, too.
	StartTry      = 500 * time.Millisecond
	startFirstTry = 125 * time.Millisecond
	StartPause    = 20 * time.Millisecond
	startMaxPause = 100 * time.Millisecond
	// WriteTry bounds one try of a publish, WriteWait all of them.
	WriteTry   = 2 * time.Second
	WriteWait  = 8 * time.Second
	WritePause = 50 * time.Millisecond
)

// A Retry says how something is tried again, with back-off: each pause is twice the one
// before, up to MaxPause, and each try may take twice as long, up to MaxTry.
type Retry struct {
	Try      time.Duration // bounds the first try; 0: none is bounded
	MaxTry   time.Duration // 0: all tries are the same
	Pause    time.Duration // the first one
	MaxPause time.Duration // 0: all pauses are the same
	// Again reports whether an error is worth another try; nil: each is.
	Again func(error) bool
}

// Start is how a node that starts asks for what needs a leader.
func Start() Retry {
	return Retry{Try: startFirstTry, MaxTry: StartTry, Pause: StartPause, MaxPause: startMaxPause, Again: isRight}
}

// Write is how what may be written twice is written.
func Write() Retry { return Retry{Try: WriteTry, Pause: WritePause, Again: isNotRefused} }

// Do calls f until it succeeds, its error is not worth another try, or ctx ends. It
// returns f's last error.
func (r Retry) Do(ctx context.Context, f func(context.Context) error) error {
	try := r.Try
	for pause := r.Pause; ; pause = max(r.Pause, min(2*pause, r.MaxPause)) {
		err := once(ctx, try, f)
		try = max(try, min(2*try, r.MaxTry))
		if err == nil || ctx.Err() != nil || r.Again != nil && !r.Again(err) || !Sleep(ctx, pause) {
			return err
		}
	}
}

func once(ctx context.Context, try time.Duration, f func(context.Context) error) error {
	if try > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, try)
		defer cancel()
	}
	return f(ctx)
}

// isRight is false for the answer that the request itself is wrong.
func isRight(err error) bool {
	e := new(js.APIError)
	return !errors.As(err, &e) || e.Code != 400 || e.ErrorCode == CodeNoPeers
}

func isNotRefused(err error) bool { return !errors.Is(err, ErrRefused) }

// Sleep pauses for d and reports whether ctx lasts.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
