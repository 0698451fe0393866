package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

const (
	// longCut is how long a plain test cuts a node off for the others to go far ahead
	// of it. WEFT_FAULT_CUT says another time, 10m for example.
	longCut = 15 * time.Second
	// memoryBound is the most that a node may hold in memory while it catches up.
	memoryBound = 400 << 20
)

// longAway is a cut after which a node has much to catch up with, in bounded memory.
var longAway = newLongAway()

func newLongAway() Fault {
	var watched *memoryWatch
	return Fault{
		Name:    "heal after a long cut",
		Network: true,
		Apply: func(ctx context.Context, c *Cluster) error {
			held := longCut
			if s := os.Getenv("WEFT_FAULT_CUT"); s != "" {
				var err error
				if held, err = time.ParseDuration(s); err != nil {
					return fmt.Errorf("read WEFT_FAULT_CUT: %w", err)
				}
			}
			watched = watchMemory(ctx, c)
			i := c.victim(ctx, false)
			place := c.Nodes[i].Place
			c.Log("cut n%d off from the others for %v", i+1, held)
			if err := place.Cut(stage.Both, stage.Peers); err != nil {
				return err
			}
			defer place.Heal()
			return waitfor.Time(ctx, held)
		},
		Check: func(*Round) error { return watched.end() },
	}
}

// A memoryWatch keeps the most memory that each node has held.
type memoryWatch struct {
	c    *Cluster
	most []int64 // bytes, by node
	stop context.CancelFunc
	done chan struct{}
}

func watchMemory(ctx context.Context, c *Cluster) *memoryWatch {
	ctx, stop := context.WithCancel(ctx)
	w := &memoryWatch{c: c, most: make([]int64, len(c.Nodes)), stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for waitfor.Time(ctx, 200*time.Millisecond) == nil {
			for i, n := range c.Nodes {
				if rss, err := n.Process().RSS(); err == nil {
					w.most[i] = max(w.most[i], rss)
				}
			}
		}
	}()
	return w
}

// end stops watching and finds fault with a node that has held too much.
func (w *memoryWatch) end() error {
	w.stop()
	<-w.done
	var found []error
	for i, most := range w.most {
		w.c.Log("n%d has held up to %d MiB", i+1, most>>20)
		switch {
		case most == 0:
			found = append(found, fmt.Errorf("the memory of n%d is not known", i+1))
		case most > memoryBound:
			found = append(found, fmt.Errorf("n%d has held %d MiB, more than %d", i+1, most>>20, memoryBound>>20))
		}
	}
	return errors.Join(found...)
}
