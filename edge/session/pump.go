package session

import "context"

// A Pump is the Writer that is a goroutine: the one that calls Run.
type Pump struct {
	wake  chan struct{}
	hurry func(Cause)
	// Opened, if it is there, is called when weft.open is written.
	Opened func()
}

// NewPump makes a pump. hurry makes a write that is stuck come back soon.
func NewPump(hurry func(Cause)) *Pump { return &Pump{wake: make(chan struct{}, 1), hurry: hurry} }

// Wake implements Writer.
func (p *Pump) Wake(bool) {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Hurry implements Writer.
func (p *Pump) Hurry(c Cause) { p.hurry(c) }

// Run takes all that is pending in q and hands it to write, again and again,
// until the queue has ended and is empty (nil), write fails or ctx ends.
func (p *Pump) Run(ctx context.Context, q *Queue, write func(frames [][]byte) error) error {
	for {
		select {
		case <-p.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		frames, last := q.Take()
		var err error
		if len(frames) > 0 {
			err = write(frames)
		}
		if q.Wrote() && err == nil && p.Opened != nil {
			p.Opened()
		}
		if err != nil || last {
			return err
		}
	}
}
