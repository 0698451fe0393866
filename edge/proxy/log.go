package proxy

import "fmt"

// A LogMode is which requests are logged.
type LogMode string

// The modes.
const (
	LogNone LogMode = "none"
	// LogErrors logs those that were answered with 5xx, or broken off by us or the target.
	LogErrors LogMode = "errors"
	LogAll    LogMode = "all"
)

// Check says what is wrong with a mode.
func (m LogMode) Check() error {
	switch m {
	case LogNone, LogErrors, LogAll:
		return nil
	}
	return fmt.Errorf("%q is none of none, errors and all", string(m))
}
