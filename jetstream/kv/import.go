package kv

import (
	"context"
	"time"

	"weft/jetstream/api"
)

const (
	// MaxImport is the most entries that one Import takes.
	MaxImport = 512
	// importWait bounds one Import.
	importWait = 20 * time.Second
)

// An EntryError is an entry that no bucket can take.
type EntryError struct {
	Index int // of the entries that were to be imported
	Msg   string
}

func (e *EntryError) Error() string { return e.Msg }

// Imported counts what became of entries.
type Imported struct {
	Stored    int `json:"stored"`
	Unchanged int `json:"unchanged"` // the same, or for the blacklist a stricter one, was there
	Expired   int `json:"expired"`   // cuts no token any more
}

// Import puts up to MaxImport entries into their buckets and returns after they
// are stored. An entry of the blacklist keeps the time it was made and lives for
// what is left of its life; one that is there and cuts more stays as it is. A route
// replaces one of its name. Doing it again changes nothing.
//
// Its errors are *EntryError, with which nothing was stored, and api.ErrUnavailable
// and api.ErrDiskFull, with which some may have been.
func (t *Transfer) Import(ctx context.Context, entries []Entry) (Imported, error) {
	if err := t.guards.Opened(); err != nil {
		return Imported{}, err
	}
	if err := t.check(entries); err != nil {
		return Imported{}, err
	}
	mergers, err := t.newMergers()
	if err != nil {
		return Imported{}, err
	}
	if t.guards.DiskFull() {
		return Imported{}, api.ErrDiskFull
	}
	return t.put(ctx, entries, mergers)
}
