package server

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// diskEvery is how often free space is looked at.
const diskEvery = time.Second

// A Disk watches the free space of the data folder. Below the floor no events
// are taken, since a store that runs out of space stops answering.
type Disk struct {
	path  string
	floor uint64
	log   *slog.Logger
	free  prometheus.Gauge // bytes
	low   atomic.Bool
	was   atomic.Bool // low since mended was called
}

// NewDisk watches the data folder of a node, once it is told to.
func NewDisk(cfg *NodeConfig, log *slog.Logger, reg prometheus.Registerer) *Disk {
	d := &Disk{path: cfg.DataDir, floor: uint64(cfg.MinFree), log: log,
		free: prometheus.NewGauge(prometheus.GaugeOpts{Name: "weft_jetstream_disk_free_bytes", Help: "Free space of the data folder."})}
	floor := prometheus.NewGauge(prometheus.GaugeOpts{Name: "weft_jetstream_disk_floor_bytes",
		Help: "Free space of the data folder below which events are refused (node.min_free)."})
	floor.Set(float64(d.floor))
	reg.MustRegister(d.free, floor)
	return d
}

// Full reports whether there is less free space than node.min_free.
func (d *Disk) Full() bool { return d.low.Load() }

// WasFull reports whether the disk is or was full and the store has not been
// seen to be well after that.
func (d *Disk) WasFull() bool { return d.was.Load() }

// Mended is called when the store has been seen to be well.
func (d *Disk) Mended() { d.was.Store(d.low.Load()) }

// Look measures once. Space must be a quarter above the floor before events are
// taken again, so that the state does not flutter.
func (d *Disk) Look() {
	free, err := freeBytes(d.path)
	if err != nil {
		return // the store itself will say so
	}
	d.free.Set(float64(free))
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

// Run looks again and again until ctx ends.
func (d *Disk) Run(ctx context.Context) {
	t := time.NewTicker(diskEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			d.Look()
		}
	}
}
