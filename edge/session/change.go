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

// A Change alters an open session, all of it or nothing.
type Change struct {
	// Identity, when not nil, replaces the session's: a refreshed token.
	Identity *auth.Identity
	// Unsubscribe and Subscribe are subjects; both are applied in this order.
	Unsubscribe []string
	Subscribe   []string
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

// Rules are what the node has to say about a change. Both are needed and may be called
// concurrently.
type Rules struct {
	// Rekey brings a refreshed token into force, or refuses it with a problem.
	Rekey func(*Session, *auth.Identity) error
	// MayFollow is asked of all that is new, and of all that was asked for when there is
	// a new token.
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
		if err := may(ctx, id, s); err != nil {
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

// Apply makes a change and returns the subjects in force. It blocks until new
// subjects are delivered, or ctx ends. A new identity must be of the same user
// (else user_mismatch); when it no longer allows what the session asked for,
// the session ends with Unauthorised. A new identity is brought into force when nothing
// else speaks against it.
func (s *Session) Apply(ctx context.Context, c Change, rules Rules) ([]string, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.attaching(ctx)
	s.mu.Lock()
	id, before, reader, ended := s.identity, s.asked, s.reader, s.ended
	s.mu.Unlock()
	if reader == nil || ended {
		return nil, problem.New(problem.NotFound, "the connection has ended")
	}
	if c.Identity != nil {
		if c.Identity.User != id.User {
			return nil, problem.New(problem.UserMismatch, "the token is of another user")
		}
		id = c.Identity
	}
	for _, sub := range c.Unsubscribe {
		if slices.Contains(id.Subscribe, sub) {
			return nil, problem.New(problem.BadSubject, "a subject that the token brings cannot be left")
		}
	}
	if err := Check(ctx, id, c.Subscribe, rules.MayFollow); err != nil {
		return nil, err
	}
	asked := slices.DeleteFunc(slices.Clone(before), func(sub string) bool { return slices.Contains(c.Unsubscribe, sub) })
	asked = union(asked, slices.DeleteFunc(slices.Clone(c.Subscribe), func(sub string) bool { return slices.Contains(id.Subscribe, sub) }))
	if len(asked) > MaxSubjects {
		return nil, problem.New(problem.BadRequest, fmt.Sprintf("more than %d subjects", MaxSubjects))
	}
	if err := checkWildcards(union(id.Subscribe, asked)); err != nil {
		return nil, err
	}
	if c.Identity != nil {
		if err := rules.Rekey(s, id); err != nil {
			return nil, err
		}
		for _, sub := range asked {
			if rules.MayFollow(ctx, id, sub) != nil {
				s.End(Unauthorised)
				return nil, problem.New(problem.Forbidden, "the token does not allow what the connection follows")
			}
		}
	}
	s.setAsked(asked)
	events, present := split(union(id.Subscribe, asked))
	subjects, err := follow(ctx, reader, events, c.LastID)
	if err != nil {
		s.setAsked(before)
		return nil, err
	}
	s.followPresence(present, rules.Watch)
	return slices.Concat(subjects, s.Presence()), nil
}

func (s *Session) setAsked(subjects []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = subjects
}

// follow makes wanted the subjects in force. When it fails nothing has changed.
func follow(ctx context.Context, r Reader, wanted []string, lastID string) ([]string, error) {
	current := r.Subjects()
	more := slices.DeleteFunc(slices.Clone(wanted), func(sub string) bool { return slices.Contains(current, sub) })
	fewer := slices.DeleteFunc(current, func(sub string) bool { return slices.Contains(wanted, sub) })
	if len(more) > 0 {
		if err := r.Subscribe(ctx, more, lastID); err != nil {
			if p, ok := errors.AsType[*problem.Problem](err); ok {
				return nil, p
			}
			switch {
			case errors.Is(err, feed.ErrShare):
				return nil, problem.New(problem.Limit, "this user follows too many wildcards").Retry(retryShare)
			case errors.Is(err, feed.ErrPatterns):
				return nil, problem.New(problem.Limit, "this node follows too many wildcards").Retry(retryShare)
			}
			return nil, problem.New(problem.StoreUnavailable, "the subjects could not be followed now; try again")
		}
	}
	if len(fewer) > 0 {
		r.Unsubscribe(fewer)
	}
	return r.Subjects(), nil
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
