package feed

import (
	"errors"
	"fmt"
)

const (
	// maxPatterns bounds the distinct wildcards that a node follows: each is a
	// consumer of its own.
	maxPatterns = 64
	// maxShare bounds those of one owner, so that one who asks first leaves some.
	maxShare = 32
	// MaxWildcards is how many of its subjects a connection should let be
	// wildcards; who serves it must see to that.
	MaxWildcards = 16
)

var (
	// ErrPatterns is wrapped by errors that mean that a wildcard is one too many:
	// the node follows 64 distinct ones, or ErrShare.
	ErrPatterns = errors.New("too many distinct wildcards")
	// ErrShare is returned when the owner of a connection follows 32.
	ErrShare = fmt.Errorf("%w of one user", ErrPatterns)
)

// shares count which wildcards each owner follows, and by how many connections; the
// same one is counted once. Guarded by directory.mu.
type shares map[string]map[*feed]int

// room is nil when an owner, who is to let go of some, may follow a wildcard, which f is
// nil for if nobody does.
func (s shares) room(owner string, f *feed, leaving int) error {
	if f != nil && s[owner][f] > 0 || len(s[owner])-leaving < maxShare {
		return nil
	}
	return ErrShare
}

func (s shares) take(owner string, f *feed) {
	if s[owner] == nil {
		s[owner] = make(map[*feed]int)
	}
	s[owner][f]++
}

func (s shares) give(owner string, f *feed) {
	mine := s[owner]
	if mine[f]--; mine[f] <= 0 {
		delete(mine, f)
	}
	if len(mine) == 0 {
		delete(s, owner)
	}
}
