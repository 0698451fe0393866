package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"weft/edge/openapi"
	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/jetstream/blacklist"
	"weft/jetstream/subject"
)

// Bounds of a request that puts an entry.
const (
	maxEntry  = 4 << 10 // bytes of its body
	entryTime = 10 * time.Second
)

// blacklistEntries lets operators read and change the blacklist.
type blacklistEntries struct {
	list *blacklist.Blacklist
	log  *slog.Logger
}

// blacklistEntry is an entry as operators see it.
type blacklistEntry struct {
	Key     string     `json:"key"`
	Session string     `json:"session,omitempty"`
	User    string     `json:"user,omitempty"`
	Value   string     `json:"value"`
	Made    time.Time  `json:"made"`
	Before  *time.Time `json:"before,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	Problem string     `json:"problem,omitempty"`
}

func (e blacklistEntry) key() string { return e.Key }

func describeEntry(e blacklist.Entry) blacklistEntry {
	return blacklistEntry{
		Key: e.Key, Session: e.Session, User: e.User, Value: e.Value, Made: e.Made,
		Before: timeOf(e.Before), Expires: timeOf(e.Expires), Problem: e.Problem,
	}
}

// timeOf is nil for a time that is not.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// table lists the endpoints of the blacklist.
func (b *blacklistEntries) table() []endpoint {
	session := params{"session": sessionSlot}
	return []endpoint{
		{method: "GET", path: "blacklist", takes: pages, serve: b.getAll, says: openapi.Operation{
			ID: "listBlacklist", Does: "What is revoked.", Means: pageParams, Answers: ok("a page of entries", page[blacklistEntry]{})}},
		{method: "GET", path: "blacklist/{session}", serve: b.get, says: openapi.Operation{
			ID: "getBlacklistEntry", Does: "One entry.", Means: session, Answers: ok("the entry", blacklistEntry{}), Fails: []problem.Code{problem.NotFound}}},
		{method: "PUT", path: "blacklist/{session}", takes: parameter.Once("ttl"), serve: b.put, says: openapi.Operation{
			ID: "revoke", Does: "Revokes a session, or all tokens of a user that were issued until now.",
			Means:  params{"session": sessionSlot, "ttl": openapi.Duration("for how long, such as `2h`; without it until the token has ended")},
			Bodies: openapi.JSON(revocation{}), Answers: done("the entry is stored"), Fails: []problem.Code{problem.StoreUnavailable}}},
		{method: "DELETE", path: "blacklist/{session}", serve: b.delete, says: openapi.Operation{
			ID: "unrevoke", Does: "Lets a session, or a user, in again. That there is no such entry is fine.", Means: session,
			Answers: done("there is no such entry"), Fails: []problem.Code{problem.StoreUnavailable}}},
	}
}

// A revocation is the body of a request that puts an entry.
type revocation struct {
	Value string `json:"value,omitempty"`
	TTL   string `json:"ttl,omitempty"`
	_     any    `additionalProperties:"false"`
}

// readRevocation reads exactly one object, without unknown members, or nothing.
func readRevocation(r io.Reader) (read revocation, err error) {
	text, err := io.ReadAll(r)
	if text = bytes.TrimSpace(text); err != nil || len(text) == 0 {
		return read, err
	}
	var members map[string]*string
	if err := json.Unmarshal(text, &members); err != nil {
		return read, err
	}
	for name, to := range map[string]*string{"value": &read.Value, "ttl": &read.TTL} {
		if said, ok := members[name]; ok && said != nil {
			*to = *said
			delete(members, name)
		}
	}
	if members == nil || len(members) > 0 {
		return read, errors.New("it is no object, or has other members")
	}
	return read, nil
}

func (b *blacklistEntries) getAll(w http.ResponseWriter, r *request) error {
	after, limit, err := pageQuery(r.query)
	if err != nil {
		return err
	}
	var items []blacklistEntry
	for _, e := range b.list.List(after, limit+1) {
		items = append(items, describeEntry(e))
	}
	return answer(w, http.StatusOK, pageOf(items, limit, blacklistEntry.key))
}

func (b *blacklistEntries) get(w http.ResponseWriter, r *request) error {
	e, ok := b.list.Find(r.name)
	if !ok {
		return problem.New(problem.NotFound, "there is no such entry")
	}
	return answer(w, http.StatusOK, describeEntry(e))
}

// put answers after the entry is stored. The body, and in it all, may
// be missing; ttl may also stand in the query.
func (b *blacklistEntries) put(w http.ResponseWriter, r *request) error {
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Now().Add(entryTime)); err != nil {
		b.log.Debug("set read deadline", "err", err)
	}
	body, err := readRevocation(http.MaxBytesReader(w, r.Body, maxEntry))
	if err != nil {
		return problem.New(problem.BadRequest, "the body is no object with value and ttl")
	}
	if s := r.query.Get("ttl"); s != "" {
		body.TTL = s
	}
	var ttl time.Duration
	if body.TTL != "" {
		if ttl, err = time.ParseDuration(body.TTL); err != nil || ttl <= 0 {
			return problem.New(problem.BadRequest, "ttl is not a duration above zero, such as 90m")
		}
	}
	if err := b.list.Put(r.Context(), r.name, body.Value, ttl); err != nil {
		return b.problemOf(err)
	}
	b.log.Info("blacklist entry put by an operator")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// delete takes an entry away; one that is not there is fine.
func (b *blacklistEntries) delete(w http.ResponseWriter, r *request) error {
	if err := b.list.Delete(r.Context(), r.name); err != nil {
		return b.problemOf(err)
	}
	b.log.Info("blacklist entry deleted by an operator")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (b *blacklistEntries) problemOf(err error) error {
	if errors.Is(err, subject.ErrToken) {
		return problem.New(problem.BadRequest, "the name is a session id, or user.<user>, of 1 to 200 bytes")
	}
	b.log.Warn("write blacklist", "err", err)
	return problem.New(problem.StoreUnavailable, "the store does not answer; it is unknown whether the entry was stored: try again").Retry(time.Second)
}
