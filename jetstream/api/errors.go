package api

import (
	"errors"
	"fmt"
)

var (
	// ErrUnavailable means that the store did not answer: it is unknown
	// whether an event was stored. Try again with the same message id.
	ErrUnavailable = errors.New("store unavailable")
	// ErrDiskFull means that an event was not stored because the disk is full,
	// or nearly so.
	ErrDiskFull = errors.New("disk full")
	// ErrRefused means that the store will never take the event.
	ErrRefused = errors.New("event refused by the store")
	// ErrExists means that a key has a value, or has had one, although it was to be
	// made.
	ErrExists = errors.New("the key exists")
	// ErrIsolated means that the node is cut off from the majority of its cluster.
	ErrIsolated = errors.New("cut off from the majority of the nodes")
	// ErrTakenOver means that another node was quicker to make something.
	ErrTakenOver = errors.New("another node makes it at this moment")
)

// Error codes of the JetStream API.
const (
	CodeNoMessage   = 10037
	CodeTooLarge    = 10054
	CodeStorage     = 10047 // insufficient storage resources available
	CodeResources   = 10023 // insufficient resources
	CodeSequence    = 10071 // wrong last sequence: the key has a value
	CodeInFlight    = 10164 // the same, of a key whose newest value is not agreed on yet
	CodeStore       = 10077 // the stream does not take it: it has its greatest size, for example
	CodeNoStream    = 10059
	CodeNoMember    = 10044 // server is not a member of the cluster
	CodeUnavailable = 10008 // JetStream system temporarily unavailable
	CodeNoPeers     = 10005 // no suitable peers: a leader has yet to hear from enough nodes
)

// An Error is an error answer of the JetStream API.
type Error struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s (%d)", e.Description, e.ErrCode)
}

// IsCode reports whether an error is an answer with one of the codes.
func IsCode(err error, codes ...int) bool {
	e := new(Error)
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.ErrCode == c {
			return true
		}
	}
	return false
}

// refusal sorts an error answer: what the store will never take, and what may
// pass.
func refusal(e *Error) error {
	switch e.ErrCode {
	case CodeSequence:
		return ErrExists
	case CodeTooLarge:
		return fmt.Errorf("%w: %w", ErrRefused, e)
	case CodeStorage, CodeResources:
		return fmt.Errorf("%w: %w", ErrDiskFull, e)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, e)
}
