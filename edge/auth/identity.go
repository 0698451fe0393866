package auth

import (
	"encoding/json"
	"slices"
	"time"

	"weft/jetstream/subject"
)

// Identity is what a verified token, or its absence, grants. It is immutable
// and shared: all connections of one token may hold the same one.
type Identity struct {
	// User is 1 to subject.MaxToken bytes long, "" for an anonymous visitor.
	User string
	// Session is by what the token is revoked: its session claim, else the
	// base64url SHA-256 of the token; "" without a token. Of a token with an
	// ECDSA signature, which its holder can write in two ways, the digest is
	// that of the form with the lower s, so that both are one session.
	Session string
	// Issued is the claim iat, zero when it is missing.
	Issued time.Time
	// Expires is the claim exp, exact; zero: never (anonymous, mode none).
	Expires time.Time
	// Subscribe are the subjects that every connection of this token receives.
	// Not to be changed.
	Subscribe []string

	allow, publish []string // patterns
	rare           *rarely  // nil: the zero value
}

// rarely is what few identities have: each connection holds an identity, and with these
// in it all would be of the next size class of memory.
type rarely struct {
	devices bool
	claims  json.RawMessage // nil: not kept
}

func (id *Identity) rarely() rarely {
	if id.rare == nil {
		return rarely{}
	}
	return *id.rare
}

// with changes what few identities have, while the identity is made.
func (id *Identity) with(change func(*rarely)) {
	r := id.rarely()
	change(&r)
	id.rare = &r
}

// SeesDevices reports whether whoever may follow the presence of a subject is told of its
// connections, too.
func (id *Identity) SeesDevices() bool { return id.rarely().devices }

// MayFollow reports whether the identity may subscribe to s: a subject of
// events (user.<user>, topic.<topic>), a wildcard of which a grant covers all,
// or presence.<user> and presence.topic.<topic>. What is in Subscribe may
// always be followed, what is no canonical subject never.
func (id *Identity) MayFollow(s string) bool {
	if checkFollow(s) != nil {
		return false
	}
	return slices.Contains(id.Subscribe, s) || covered(id.allow, s)
}

// MayPublish reports whether the identity may publish to s, which must be the
// canonical subject of an event without wildcards.
func (id *Identity) MayPublish(s string) bool {
	return subject.Check(s) == nil && covered(id.publish, s)
}

// Publishes reports whether there is anything that the identity may publish to.
func (id *Identity) Publishes() bool { return len(id.publish) > 0 }

// Allow are the patterns that may be asked for beside Subscribe, each once, presence
// and presence.devices included. They are those of the identity alone.
func (id *Identity) Allow() []string {
	all := slices.Clone(id.allow)
	if id.SeesDevices() {
		all = append(all, devicesGrant)
	}
	return subject.Distinct(all)
}

// Publish are the patterns that may be published to, each once. They are those of the
// identity alone.
func (id *Identity) Publish() []string { return subject.Distinct(slices.Clone(id.publish)) }

func covered(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return subject.Match(p, s) })
}
