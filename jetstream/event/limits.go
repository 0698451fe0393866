package event

import (
	"time"

	"weft/config"
)

// StreamName is the name of the stream that holds all events.
const StreamName = "EVENTS"

// Limits is the section events of the configuration: the limits of the stream. Where one is
// passed the oldest events go.
type Limits struct {
	MaxAge        time.Duration `yaml:"max_age"`
	MaxPerSubject int           `yaml:"max_per_subject"`
	MaxBytes      config.Bytes  `yaml:"max_bytes"`
}

// Check returns all that is wrong with the limits, each a *config.KeyError.
func (l Limits) Check() []error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, config.BadKey("events."+key, format, args...))
	}
	if l.MaxAge < 10*time.Second {
		bad("max_age", "%v is below 10s", l.MaxAge)
	}
	if l.MaxPerSubject < 1 {
		bad("max_per_subject", "%d is below 1", l.MaxPerSubject)
	}
	if l.MaxBytes < 8<<20 {
		bad("max_bytes", "%v is below 8MiB", l.MaxBytes)
	}
	return errs
}
