package config

import "fmt"

// A KeyError is a bad value of a configuration key.
type KeyError struct {
	Key string // as in the file: "events.max_age"
	Msg string // what is wrong and what to do
	Err error  // the cause, nil when there is none but Msg
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Msg }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// BadKey makes a KeyError without a cause.
func BadKey(key, format string, args ...any) error {
	return &KeyError{Key: key, Msg: fmt.Sprintf(format, args...)}
}
