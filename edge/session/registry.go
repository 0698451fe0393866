package session

import (
	"slices"
	"strings"
	"sync"

	"weft/edge/auth"
	"weft/edge/chain"
	"weft/jetstream/blacklist"
)

// Indexes of a session: by token and by user.
const (
	byToken = iota
	byUser
)

// linksOf are the functions that find the neighbours of a session, for each index.
var linksOf = [2]func(*Session) *chain.Links[Session]{
	byToken: func(s *Session) *chain.Links[Session] { return &s.links[byToken] },
	byUser:  func(s *Session) *chain.Links[Session] { return &s.links[byUser] },
}

// A Registry knows the open sessions of a node. It is safe for concurrent use.
type Registry struct {
	mu       sync.RWMutex
	sessions map[string]*Session
	index    [2]map[string]*Session // heads of lists that are linked through Session.links
}

// room is for how many sessions there is room from the start: a table that grows
// leaves pieces of memory behind in which nothing else fits.
const room = 1024

// NewRegistry makes an empty one.
func NewRegistry() *Registry {
	table := func() map[string]*Session { return make(map[string]*Session, room) }
	return &Registry{sessions: table(), index: [2]map[string]*Session{table(), table()}}
}

// Add enters a session.
func (r *Registry) Add(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := s.Identity()
	r.sessions[s.about.ID] = s
	r.link(byToken, id.Session, s)
	r.link(byUser, id.User, s)
}

// Remove forgets a session.
func (r *Registry) Remove(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions[s.about.ID] != s {
		return
	}
	delete(r.sessions, s.about.ID)
	id := s.Identity()
	r.unlink(byToken, id.Session, s)
	r.unlink(byUser, id.User, s)
}

// Rekey gives s a new identity of the same user, unless it has ended: then it is false.
func (r *Registry) Rekey(s *Session, id *auth.Identity) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	old := s.identity
	s.identity = id
	s.mu.Unlock()
	if r.sessions[s.about.ID] == s {
		r.unlink(byToken, old.Session, s)
		r.link(byToken, id.Session, s)
	}
	return true
}

func (r *Registry) link(which int, key string, s *Session) {
	if key != "" {
		chain.PushTo(r.index[which], key, s, linksOf[which])
	}
}

func (r *Registry) unlink(which int, key string, s *Session) {
	if key != "" {
		chain.DropFrom(r.index[which], key, s, linksOf[which])
	}
}

func (r *Registry) list(which int, key string) []*Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return chain.Of(r.index[which][key], linksOf[which])
}

// Get finds a session by its connection id, nil when there is none.
func (r *Registry) Get(id string) *Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.sessions[id]
}

// OfUser lists a user's sessions, the oldest first.
func (r *Registry) OfUser(user string) []*Session {
	out := r.list(byUser, user)
	slices.SortFunc(out, func(a, b *Session) int {
		return a.about.Since.Compare(b.about.Since)
	})
	return out
}

// OfToken lists the sessions of a token, by its session id.
func (r *Registry) OfToken(session string) []*Session { return r.list(byToken, session) }

// CountOf is how many sessions a user has; nobody, "", has none.
func (r *Registry) CountOf(user string) (n int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for s := r.index[byUser][user]; s != nil; s = s.links[byUser].Next() {
		n++
	}
	return n
}

// All lists the sessions in no order.
func (r *Registry) All() []*Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]*Session, 0, len(r.sessions))
	for _, s := range r.sessions {
		out = append(out, s)
	}
	return out
}

// Len is how many sessions there are.
func (r *Registry) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.sessions)
}

// Users lists up to limit users that begin with a prefix and come after the given one,
// in order.
func (r *Registry) Users(prefix, after string, limit int) []string {
	r.mu.RLock()
	var users []string
	for u := range r.index[byUser] {
		if u > after && strings.HasPrefix(u, prefix) {
			users = append(users, u)
		}
	}
	r.mu.RUnlock()
	slices.Sort(users)
	return slices.Clip(users[:min(len(users), limit)])
}

// Cut ends the sessions that a new entry of the blacklist revokes. It does not
// block.
func (r *Registry) Cut(e blacklist.Entry) {
	detail := e.Reason
	if !Sayable(detail) {
		detail = ""
	}
	if e.Session != "" {
		for _, s := range r.list(byToken, e.Session) {
			s.EndFor(Revoked, detail)
		}
	}
	if e.User != "" {
		for _, s := range r.list(byUser, e.User) {
			if id := s.Identity(); e.Cuts(id.Session, id.User, id.Issued) {
				s.EndFor(Revoked, detail)
			}
		}
	}
}
