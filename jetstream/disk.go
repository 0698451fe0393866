package jetstream

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// diskEvery is how often free space is looked at.
const diskEvery = time.Second

// A disk watches the free space of the data folder. Below the floor no events
// are taken, since a store that runs out of space stops answering.
type disk struct {
	path  string
	floor uint64
	log   *slog.Logger
	low   atomic.Bool
	was   atomic.Bool // low since mended was called
}

func (d *disk) full() bool { return d.low.Load() }

// wasFull reports whether the disk is or was full and the store has not been
// seen to be well after that.
func (d *disk) wasFull() bool { return d.was.Load() }

// mended says that the store is well.
func (d *disk) mended() { d.was.Store(d.low.Load()) }

// look measures once. Space must be a quarter above the floor before events are
// taken again, so that the state does not flutter.
func (d *disk) look(m *metrics) {
	free, err := freeBytes(d.path)
	if err != nil {
		return // the store itself will say so
	}
	m.diskFree.Set(float64(free))
	was := d.low.Load()
	floor := d.floor
	if was {
		floor += floor / 4
	}
	low := d.floor > 0 && free < floor
	if low == was {
		return
	}
	d.low.Store(low)
	if low {
		d.was.Store(true)
		d.log.Error("disk is nearly full; events are refused until there is space",
			"data_dir", d.path, "free_bytes", free, "floor_bytes", d.floor)
	} else {
		d.log.Info("disk has space again; events are taken", "data_dir", d.path, "free_bytes", free)
	}
}

func (d *disk) run(ctx context.Context, m *metrics) {
	t := time.NewTicker(diskEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			d.look(m)
		}
	}
}
