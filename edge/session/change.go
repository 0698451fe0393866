package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weft/edge/auth"
	"weft/edge/problem"
	"weft/jetstream/feed"
	"weft/jetstream/subject"
)

// MaxSubjects bounds how many subjects a session may ask for.
const MaxSubjects = 256

// retryShare is when one may try again who has found no room for a wildcard. Room
// appears when somebody lets one go.
const retryShare = 5 * time.Second

// A Subscription is a subject to follow, and which types of its events.
type Subscription struct {
	Subject string
	// Types are patterns as of ParseFilter. Nil: those that the connection wants of all
	// its subjects; empty: all types.
	Types []string
}

// A Change alters an open session, all of it or nothing.
type Change struct {
	// Identity, when not nil, replaces the session's: a refreshed token.
	Identity *auth.Identity
	// Unsubscribe and Subscribe are applied in this order. A subject that is followed
	// already gets the types that are said now.
	Unsubscribe []string
	Subscribe   []Subscription
	// Set makes Subscribe all that is asked for. Subjects that were asked for before
	// are not interrupted.
	Set bool
	// LastID is where the new subjects resume; "" is from now.
	LastID string
}

// MayFollow says, with a problem, why an identity may not follow a canonical subject or
// pattern; nil: it may. It may ask others, and so block until ctx ends.
type MayFollow func(ctx context.Context, id *auth.Identity, subject string) error

// ByToken is the MayFollow of the token alone.
func ByToken(_ context.Context, id *auth.Identity, subject string) error {
	if !id.MayFollow(subject) {
		return problem.New(problem.Forbidden, "the token does not allow one of the subjects")
	}
	return nil
}

// Rules are what the node has to say about a change. All are needed and may be called
// concurrently.
type Rules struct {
	// Rekey brings a refreshed token into force, or refuses it with a problem.
	Rekey func(*Session, *auth.Identity) error
	// MayFollow is asked of all that is subscribed to, and of all that was asked for when
	// there is a new token. Forbidden ends such a subject, another problem refuses the
	// change.
	MayFollow MayFollow
	// Watch tells of presence.
	Watch Watch
}

// Check reports why id may not ask for subjects: bad_request when there are too
// many or one twice, bad_subject, forbidden, or limit when too many are wildcards.
func Check(ctx context.Context, id *auth.Identity, subjects []string, may MayFollow) error {
	if len(subjects) > MaxSubjects {
		return problem.New(problem.BadRequest, fmt.Sprintf("more than %d subjects", MaxSubjects))
	}
	seen := make(map[string]struct{}, len(subjects))
	for _, s := range subjects {
		if _, twice := seen[s]; twice {
			return problem.New(problem.BadRequest, "a subject is there twice")
		}
		seen[s] = struct{}{}
		if is, err := checkPresence(s); err != nil {
			return err
		} else if !is && subject.CheckPattern(s) != nil {
			return problem.New(problem.BadSubject, "a subject is user.<user> or topic.<token>…, other bytes than letters, digits, - and _ written =XX")
		}
	}
	for _, err := range may.All(ctx, id, subjects) {
		if err != nil {
			return err
		}
	}
	return checkWildcards(union(id.Subscribe, subjects))
}

// checkWildcards bounds how many of a session's subjects are wildcards, each of
// which is work for the store whatever the others ask for.
func checkWildcards(subjects []string) error {
	n := 0
	for _, s := range subjects {
		if subject.IsPattern(s) {
			n++
		}
	}
	if n > feed.MaxWildcards {
		return problem.New(problem.Limit, fmt.Sprintf("more than %d wildcards in one connection", feed.MaxWildcards)).Retry(retryShare)
	}
	return nil
}

// Unfollowed is the cause with which a session ends that cannot follow its
// subjects.
func Unfollowed(err error) Cause {
	if errors.Is(err, feed.ErrPatterns) {
		return Limit
	}
	return NotReady
}

// Follows reports whether the session follows sub, and whether by its name; else it is
// by a wildcard.
func (s *Session) Follows(sub string) (named, follows bool) {
	subjects := s.Subjects()
	if slices.Contains(subjects, sub) {
		return true, true
	}
	return false, slices.ContainsFunc(subjects, func(f string) bool {
		return strings.ContainsAny(f, "*>") && subject.Match(f, sub)
	})
}
