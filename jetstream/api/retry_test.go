package api_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
)

func TestALeaderThatHasYetToMeetTheOthersIsAskedAgain(t *testing.T) {
	tries := 0
	err := api.Start().Do(t.Context(), func(context.Context) error {
		if tries++; tries < 3 {
			return fmt.Errorf("create: %w", &js.APIError{Code: 400, ErrorCode: api.CodeNoPeers})
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

func TestAWrongRequestIsNotMadeAgain(t *testing.T) {
	tries := 0
	err := api.Start().Do(t.Context(), func(context.Context) error {
		tries++
		return &js.APIError{Code: 400, ErrorCode: 10052}
	})
	if err == nil || tries != 1 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

func TestPausesGrowUpToTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		failed := errors.New("failed")
		err := api.Retry{Pause: time.Second, MaxPause: 3 * time.Second}.Do(ctx, func(context.Context) error {
			at = append(at, time.Since(begun)/time.Second)
			return failed
		})
		if err != failed || fmt.Sprint(at) != fmt.Sprint([]time.Duration{0, 1, 3, 6, 9}) {
			t.Errorf("tried at %v: %v", at, err)
		}
	})
}

func TestOneTryIsBoundedAndWhatIsRefusedIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		tries := 0
		err := api.Write().Do(t.Context(), func(ctx context.Context) error {
			if tries++; tries == 2 {
				return api.ErrRefused
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if took := time.Since(begun); !errors.Is(err, api.ErrRefused) || tries != 2 || took != api.WriteTry+api.WritePause {
			t.Errorf("after %d tries and %v: %v", tries, took, err)
		}
	})
}

func TestWhatTheOldLeaderWasAskedIsAskedAgain(t *testing.T) {
	l := api.NewLeadership()
	asked := 0
	got, err := api.WhileLed(t.Context(), l, func(ctx context.Context) (int, error) {
		if asked++; asked == 1 {
			l.Change()
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return 7, nil
	})
	if got != 7 || err != nil || asked != 2 {
		t.Errorf("%d, %v after %d questions", got, err, asked)
	}
	refused := errors.New("refused")
	if _, err := api.WhileLed(t.Context(), l, func(context.Context) (int, error) { return 0, refused }); err != refused {
		t.Errorf("with the same leader: %v", err)
	}
}
