package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"weft/edge/auth"
	"weft/edge/problem"
	"weft/edge/wire"
	"weft/jetstream/feed"
	"weft/jetstream/subject"
)

// errNothingLeft answers a token that allows nothing of what was followed.
var errNothingLeft = &Final{problem.New(problem.Forbidden, "the token does not allow what the connection follows"), Unauthorised}

// An alteration is a change that is being made, and what it comes to.
type alteration struct {
	*Session
	change Change
	rules  Rules
	reader Reader

	id     *auth.Identity // from then on
	asked  []string       // beyond the identity's own
	wanted []string       // asked, and the identity's own
	lost   []string       // followed now, and no longer allowed
	own    map[string]Filter
}

// Apply makes a change and returns the subjects in force. It blocks until new
// subjects are delivered, or ctx ends. A new identity must be of the same user
// (else user_mismatch).
//
// A new identity is brought into force when nothing speaks against the change. What it
// does not allow ends then, for which the client gets weft.unsubscribed: nothing of it
// is handed over any more, nor sent of what waits. What it brings begins. When nothing
// is left the error is a Final, as it is when the token turns out to be revoked.
func (s *Session) Apply(ctx context.Context, c Change, rules Rules) ([]string, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.attaching(ctx)
	s.mu.Lock()
	id, before, reader, settled, ended := s.identity, s.asked, s.reader, s.settled, s.ended
	s.mu.Unlock()
	switch {
	case !settled && !ended:
		return nil, problem.New(problem.NotReady, "the connection is not open yet; try again").RetrySoon()
	case reader == nil || ended:
		return nil, errEnded
	}
	a := &alteration{Session: s, change: c, rules: rules, reader: reader}
	if err := a.plan(ctx, id, before); err != nil {
		return nil, err
	}
	if c.Identity != nil {
		if err := rules.Rekey(s, a.id); err != nil {
			return nil, err
		}
		if err := a.lose(ctx, before, id.SeesDevices() && !a.id.SeesDevices()); err != nil {
			return nil, err
		}
	}
	return a.follow(ctx)
}

// errEnded answers whoever changes what is no more.
var errEnded = problem.New(problem.NotFound, "the connection has ended")

// A Final is an error of a change with which the session must end, once its client has
// been answered. The answer is what it wraps.
type Final struct {
	error
	Cause Cause
}

// Unwrap returns the answer.
func (f *Final) Unwrap() error { return f.error }

// EndAfter ends a session of which a change has failed with a Final. It is called when
// the answer is on its way.
func EndAfter(s *Session, err error) {
	if f, ok := errors.AsType[*Final](err); ok {
		s.End(f.Cause)
	}
}

// plan finds out what the change comes to, and what speaks against it. old and before are
// the identity and what was asked for until now.
func (a *alteration) plan(ctx context.Context, old *auth.Identity, before []string) error {
	c := a.change
	a.id = old
	if c.Identity != nil {
		if c.Identity.User != old.User {
			return problem.New(problem.UserMismatch, "the token is of another user")
		}
		a.id = c.Identity
	}
	automatic := func(sub string) bool { return slices.Contains(a.id.Subscribe, sub) }
	if slices.ContainsFunc(c.Unsubscribe, automatic) {
		return problem.New(problem.BadSubject, "a subject that the token brings cannot be left")
	}
	named := make([]string, len(c.Subscribe))
	for i, sub := range c.Subscribe {
		named[i] = sub.Subject
	}
	if err := Check(ctx, a.id, named, a.rules.MayFollow); err != nil {
		return err
	}
	if !c.Set {
		a.asked = slices.DeleteFunc(slices.Clone(before), func(sub string) bool { return slices.Contains(c.Unsubscribe, sub) })
	}
	if c.Identity != nil {
		if err := a.judge(ctx); err != nil {
			return err
		}
	}
	a.asked = union(a.asked, named) // what the token brings as well: the next may only allow it
	a.wanted = union(a.id.Subscribe, a.asked)
	for _, sub := range old.Subscribe {
		if !slices.Contains(a.wanted, sub) && !slices.Contains(a.lost, sub) {
			a.lost = append(a.lost, sub)
		}
	}
	if len(a.asked) > MaxSubjects {
		return problem.New(problem.BadRequest, fmt.Sprintf("more than %d subjects", MaxSubjects))
	}
	if err := checkWildcards(a.wanted); err != nil {
		return err
	}
	return a.types()
}

// judge parts what was asked for into what the new identity allows, and what is lost.
func (a *alteration) judge(ctx context.Context) error {
	var allowed []string
	for i, err := range a.rules.MayFollow.All(ctx, a.id, a.asked) {
		sub := a.asked[i]
		switch p, _ := errors.AsType[*problem.Problem](err); {
		case err == nil:
			allowed = append(allowed, sub)
		case p != nil && p.Code == problem.Forbidden:
			a.lost = append(a.lost, sub)
		default:
			return err
		}
	}
	a.asked = allowed
	return nil
}

// types finds out which filters subjects have of their own after the change.
func (a *alteration) types() error {
	if !a.change.Set {
		a.own = a.filters.Load().owned()
	}
	for _, sub := range a.change.Subscribe {
		if sub.Types == nil {
			delete(a.own, sub.Subject)
			continue
		}
		if isPresence(sub.Subject) && len(sub.Types) > 0 {
			return problem.New(problem.BadRequest, "presence has no types: leave type out for a subject of presence")
		}
		f, err := ParseFilter(sub.Types)
		if err != nil {
			return err
		}
		if a.own == nil {
			a.own = make(map[string]Filter)
		}
		a.own[sub.Subject] = f
	}
	maps.DeleteFunc(a.own, func(sub string, _ Filter) bool { return !slices.Contains(a.wanted, sub) })
	return checkOwn(a.own)
}

// lose ends subjects that are no longer allowed, and presence that shows more than is
// (blurred). When it returns the client has what was being sent of them, and is sent no
// more; a client that takes nothing is slow. before is what was asked for.
func (a *alteration) lose(ctx context.Context, before []string, blurred bool) error {
	isLost := func(sub string) bool { return slices.Contains(a.lost, sub) }
	a.ask(slices.DeleteFunc(slices.Clone(before), isLost))
	seen := a.Presence()
	lost := slices.DeleteFunc(slices.Concat(a.reader.Subjects(), seen), func(sub string) bool { return !isLost(sub) })
	if len(lost) == 0 && !blurred {
		return nil
	}
	events, present := split(lost)
	a.reader.Unsubscribe(events)
	if blurred {
		present = seen // what is still wanted of it begins anew
	}
	seen = slices.DeleteFunc(seen, func(sub string) bool { return slices.Contains(present, sub) })
	a.followPresence(seen, a.rules.Watch)
	left := slices.Concat(a.reader.Subjects(), seen)
	a.out.Drop(func(sub string) bool {
		return !slices.ContainsFunc(left, func(f string) bool { return f == sub || subject.IsPattern(f) && subject.Match(f, sub) })
	})
	if len(lost) > 0 {
		data := wire.AppendStrings([]byte(`{"subjects":`), lost)
		data = wire.AppendString(append(data, `,"reason":`...), Unauthorised.Ending().Reason)
		a.Control(wire.TypeUnsubscribed, "", append(data, '}'))
	}
	if a.out.Settle(ctx) != nil {
		a.End(Slow)
		return errEnded
	}
	if len(a.wanted) == 0 && len(lost) > 0 {
		a.reader.Unsubscribe(a.reader.Subjects()) // which it asked for as well
		return errNothingLeft
	}
	return nil
}

// follow makes what is wanted the subjects in force, and returns them. When it fails
// what was followed before is.
func (a *alteration) follow(ctx context.Context) ([]string, error) {
	wanted, present := split(a.wanted)
	current := a.reader.Subjects()
	more := slices.DeleteFunc(slices.Clone(wanted), func(sub string) bool { return slices.Contains(current, sub) })
	fewer := slices.DeleteFunc(slices.Clone(current), func(sub string) bool { return slices.Contains(wanted, sub) })
	before := a.ask(a.asked)
	if len(more) > 0 {
		filtered := a.filters.Load()
		a.filter(joining(filtered, a.own, more), slices.Concat(current, more))
		if err := a.reader.Exchange(ctx, more, a.change.LastID, fewer); err != nil {
			a.ask(before)
			a.filters.Store(filtered)
			return nil, unfollowable(err)
		}
	}
	if len(more) == 0 && len(fewer) > 0 {
		a.reader.Unsubscribe(fewer)
	}
	a.filter(a.own, wanted)
	a.followPresence(present, a.rules.Watch)
	return slices.Concat(a.reader.Subjects(), a.Presence()), nil
}

// joining are the filters while more subjects join: what is followed keeps its own until
// nothing can fail any more.
func joining(before *filters, own map[string]Filter, more []string) map[string]Filter {
	out := before.owned()
	for _, sub := range more {
		if f, ok := own[sub]; ok {
			if out == nil {
				out = make(map[string]Filter)
			}
			out[sub] = f
		}
	}
	return out
}

// filter brings filters into force for what is followed.
func (a *alteration) filter(own map[string]Filter, followed []string) {
	a.filters.Store(makeFilters(a.filters.Load().general(), own, followed))
}

// unfollowable is the problem of an error of Reader.Exchange.
func unfollowable(err error) error {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	switch {
	case errors.Is(err, feed.ErrShare):
		return problem.New(problem.Limit, "this user follows too many wildcards").Retry(retryShare)
	case errors.Is(err, feed.ErrPatterns):
		return problem.New(problem.Limit, "this node follows too many wildcards").Retry(retryShare)
	}
	return problem.New(problem.StoreUnavailable, "the subjects could not be followed now; try again")
}

// ask says what is asked for, and returns what was before.
func (a *alteration) ask(subjects []string) (before []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, a.Session.asked = a.Session.asked, subjects
	return before
}
