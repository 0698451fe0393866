package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weft/bridge/pointer"
	"weft/jetstream/subject"
)

// grantKind says what a template of the configuration may make.
type grantKind int

const (
	exact   grantKind = iota // subjects of events
	follow                   // patterns, also of presence
	publish                  // patterns of events
	literal                  // patterns of events without placeholders
)

// grant is a template that makes subjects or patterns out of claims.
type grant struct {
	template *subject.Template
	pointers map[string]claimPath
	kind     grantKind
	// presence: the template is of the event subject that corresponds, and the
	// results are turned into presence subjects.
	presence bool
	devices  bool // not of a subject: presence tells of devices
}

// devicesGrant is what an operator allows for devices to be shown. It stands for no
// subject: it makes nobody follow the presence of a user of this name, and a wildcard
// that matches it does not show devices.
const devicesGrant = subject.Presence + "devices"

func parseGrant(s string, kind grantKind) (*grant, error) {
	g, source := &grant{kind: kind, pointers: map[string]claimPath{}}, s
	if s == devicesGrant && kind == follow {
		g.devices = true
		return g, nil
	}
	if followed, ok := subject.Followed(s); ok {
		switch {
		case kind == literal && !strings.HasPrefix(followed, subject.Topic):
			return nil, fmt.Errorf("%q: of presence, visitors without a token may only be allowed that of topics: presence.topic.<topic>", s)
		case kind != follow && kind != literal:
			return nil, fmt.Errorf("%q: presence can only be asked for: allow it in allow", s)
		}
		g.presence, source = true, followed
	}
	t, err := subject.ParseSubjectTemplate(source, kind != exact, nil)
	if err != nil {
		return nil, err
	}
	g.template = t
	for _, name := range t.Names() {
		if kind == literal {
			return nil, fmt.Errorf("%q: a visitor without a token has no claims; {%s} cannot be filled", s, name)
		}
		if g.pointers[name], err = parsePointer(name); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// checkFollow reports why s is nothing that one could ask to follow.
func checkFollow(s string) error {
	if followed, ok := subject.Followed(s); ok {
		return subject.CheckPattern(followed)
	}
	return subject.CheckPattern(s)
}

// expand appends what the grant makes of the values: nothing when one is
// missing. A value that cannot be a subject token grants nothing.
func (g *grant) expand(to []string, values func(claimPath) []string) []string {
	list, err := g.template.Expand(func(name string) []string {
		var fit []string
		for _, v := range values(g.pointers[name]) {
			if _, err := subject.Escape(v); err == nil {
				fit = append(fit, v)
			}
		}
		return fit
	})
	if err != nil { // a missing value, or more than subject.MaxFanOut of them
		return to
	}
	for _, s := range list {
		// A literal part and a value in one token can be too long together.
		if g.kind == exact && subject.Check(s) != nil || subject.CheckPattern(s) != nil {
			continue
		}
		if g.presence {
			s = subject.PresenceOf(s)
		}
		to = append(to, s)
	}
	return to
}

// grants is the compiled part of the configuration that makes identities.
type grants struct {
	user, session             claimPath
	subscribe, allow, publish []*grant
	privileged                []privilege
	anonymous                 []string
	keepClaims                bool // a back end is asked with them
}

// A privilege is what a claim allows in addition when it holds one of some values.
type privilege struct {
	claim claimPath
	anyOf []string
	allow []*grant
}

func compileGrants(cfg *Config) (*grants, error) {
	g := &grants{keepClaims: cfg.External.URL != ""}
	var errs []error
	compile := func(list []string, kind grantKind) (out []*grant) {
		for _, s := range list {
			parsed, err := parseGrant(s, kind)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			out = append(out, parsed)
		}
		return out
	}
	point := func(s string) claimPath {
		p, err := parsePointer(s)
		errs = append(errs, err)
		return p
	}
	g.user, g.session = point(cfg.User), point(cfg.Session)
	g.subscribe = compile(cfg.Subscribe, exact)
	g.allow = compile(cfg.Allow, follow)
	g.publish = compile(cfg.Publish, publish)
	for _, p := range cfg.Privileged {
		g.privileged = append(g.privileged, privilege{point(p.Claim), p.AnyOf, compile(p.Allow, follow)})
	}
	for _, a := range compile(cfg.Anonymous.Allow, literal) {
		s := a.template.String()
		if a.presence {
			s = subject.PresenceOf(s)
		}
		g.anonymous = append(g.anonymous, s)
	}
	return g, errors.Join(errs...)
}

// identity makes the identity of a verified token.
func (g *grants) identity(t *parsed, issued, expires time.Time) (*Identity, error) {
	user, err := g.user.identifier(t.claims)
	if err != nil {
		return nil, invalid("the claim that names the user %v", err)
	}
	if user == "" {
		return nil, invalid("the claim that names the user is missing")
	}
	session, err := g.session.identifier(t.claims)
	if err != nil {
		return nil, invalid("the claim that names the session %v", err)
	}
	if session == "" {
		session = t.digest()
	}
	id := &Identity{User: user, Session: session, Issued: issued, Expires: expires}
	g.fill(id, func(p claimPath) []string { return pointer.Scalars(p.in(t.claims)) })
	return id, g.keep(id, t.claims)
}

// trusted makes the identity of a user who has no claims but their name.
func (g *grants) trusted(user string) (*Identity, error) {
	if _, err := subject.Escape(user); err != nil {
		return nil, invalid("the user must have 1 to %d bytes", subject.MaxToken)
	}
	claims := map[string]any{}
	g.user.set(claims, user)
	id := &Identity{User: user}
	g.fill(id, func(p claimPath) []string { return pointer.Scalars(p.in(claims)) })
	return id, g.keep(id, claims)
}

func (g *grants) fill(id *Identity, values func(claimPath) []string) {
	expand := func(to []string, list []*grant) []string {
		for _, gr := range list {
			if gr.devices {
				id.with(func(r *rarely) { r.devices = true })
				continue
			}
			to = gr.expand(to, values)
		}
		return to
	}
	id.Subscribe = subject.Distinct(expand(nil, g.subscribe))
	id.allow = expand(nil, g.allow)
	id.publish = expand(nil, g.publish)
	for _, p := range g.privileged {
		if slices.ContainsFunc(values(p.claim), func(v string) bool { return slices.Contains(p.anyOf, v) }) {
			id.allow = expand(id.allow, p.allow)
		}
	}
}
