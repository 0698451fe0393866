package session

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weft/jetstream/feed"
)

// Whatever is queued and taken in whatever order, of what is dropped no event is left, of
// all else each frame, in its order.
func TestAQueueForgetsTheEventsOfWhatIsGoneAndNothingElse(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	subjects := []string{"", "topic.a", "topic.b", "topic.c", "presence.bob"}
	dropped := 0
	for range 300 {
		q := testQueue(1 << 20)
		type queued struct{ of, text string }
		var model []queued
		var states = map[string][]byte{}
		for n := range 60 {
			of := subjects[rng.IntN(len(subjects))]
			text := fmt.Sprintf("%s#%d ", of, n)
			switch rng.IntN(8) {
			case 0:
				gone := subjects[rng.IntN(len(subjects)-1)+1]
				before := len(model)
				q.Drop(func(s string) bool { return s == gone })
				model = slices.DeleteFunc(model, func(m queued) bool { return m.of == gone })
				dropped += before - len(model)
				delete(states, gone)
			case 1:
				frames, _ := q.Take()
				var want strings.Builder
				for _, m := range model {
					want.WriteString(m.text)
				}
				if got := string(bytes.Join(frames, nil)); got != want.String() {
					t.Fatalf("taken %q, want %q", got, want.String())
				}
				model = nil
				clear(states)
				if rng.IntN(2) == 0 {
					q.Wrote()
				}
			default:
				switch {
				case of == "":
					q.Put([]byte(text))
				case of == "presence.bob":
					if was := states[of]; was != nil {
						for i := range model {
							if model[i].of == of {
								model[i].text = text
							}
						}
						q.Replace(of, was, []byte(text))
						q.mu.Lock()
						for _, f := range q.frames {
							if string(f) == text {
								states[of] = f
							}
						}
						q.mu.Unlock()
						continue
					}
					frame := []byte(text)
					states[of] = frame
					q.Replace(of, nil, frame)
				case rng.IntN(2) == 0:
					q.Append(&feed.Message{Subject: of}, nil, []byte(text))
				default:
					q.Append(&feed.Message{Subject: of}, []byte(text[:2]), []byte(text[2:]))
				}
				model = append(model, queued{of, text})
			}
			q.mu.Lock()
			bytes := 0
			for _, f := range q.frames {
				bytes += len(f)
			}
			if q.pending < bytes || len(q.frames) == 0 && q.pending != 0 || q.pending > bytes+len(q.frames)*frameCost {
				t.Fatalf("%d bytes in %d frames count as %d", bytes, len(q.frames), q.pending)
			}
			q.mu.Unlock()
		}
	}
	if dropped < 500 {
		t.Errorf("only %d frames were dropped: too few to show anything", dropped)
	}
}

func TestAQueueHasSettledWhenWhatWasBeingSentHasBeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := testQueue(1000)
		q.Put([]byte("one"))
		if err := q.Settle(t.Context()); err != nil {
			t.Fatalf("nothing is being sent: %v", err)
		}
		q.Take()
		settled := make(chan error, 1)
		go func() { settled <- q.Settle(t.Context()) }()
		synctest.Wait()
		q.Put([]byte("two"))
		q.Drop(func(string) bool { return true })
		synctest.Wait()
		select {
		case <-settled:
			t.Fatal("settled while a frame is being sent")
		default:
		}
		q.Wrote()
		if err := <-settled; err != nil {
			t.Error(err)
		}
		q.Take()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if q.Settle(ctx) == nil {
			t.Error("a client that takes nothing has settled")
		}
	})
}

// A client that takes nothing is cut: it must not be sent later what its new token does
// not allow.
func TestAClientThatTakesNothingIsCutWhenItsTokenAllowsLess(t *testing.T) {
	s := newTestSession("ann", "t", time.Time{})
	s.Session.out = &stuck{outbox: s.out}
	s.reader.subjects = append(s.reader.subjects, "topic.a")
	s.asked = []string{"topic.a"}
	g := &granting{}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Apply(ctx, Change{Identity: g.identity([]string{"user.ann"}, nil)}, g.rules()); err != errEnded || s.Cause() != Slow {
		t.Errorf("answered %v, ended by %v", err, s.Cause())
	}
}

// stuck is an outbox whose client takes nothing.
type stuck struct{ *outbox }

func (*stuck) Settle(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
