// Package access holds the built binary to a model of who may see what: a second, small
// account of the rules that the documentation gives, written without the gateway's code.
// Random clients with random tokens ask, change, refresh and are revoked on the nodes of a
// cluster while events are published; no connection may ever receive what the model
// denies, and each must receive all that it allows.
//
// WEFT_ACCESS says for how long (20s), WEFT_ACCESS_SEED with which seed.
package access

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"weft/test/stage"
)

// A policy is what the section auth of the configuration says.
type policy struct {
	subscribe, allow, publish, anonymous []string
	privileged                           []privilege
}

type privilege struct {
	claim string
	anyOf []string
	allow []string
}

var rules = policy{
	subscribe: []string{"user.{/inbox}", "topic.team.{/teams}"},
	allow: []string{"topic.room.{/rooms}.*", "user.{/friends}", "topic.grp.{/groups}.>", "topic.open.*", "topic.lost.{/nothing}", "topic.team.t1",
		"presence.{/friends}", "presence.topic.room.{/rooms}.*"},
	publish:   []string{"topic.room.{/rooms}.*", "user.{/friends}"},
	anonymous: []string{"topic.open.*", "topic.news"},
	privileged: []privilege{
		{"role", []string{"support", "root"}, []string{"user.*", "presence.*"}},
		{"tier", []string{"gold"}, []string{"topic.lounge.{/branch}", "topic.grp.>"}},
	},
}

// settings is the policy as the configuration has it; check is the URL of the back end.
func (p policy) settings(check string) map[string]any {
	var blocks []any
	for _, b := range p.privileged {
		blocks = append(blocks, map[string]any{"claim": "/" + b.claim, "any_of": b.anyOf, "allow": b.allow})
	}
	return map[string]any{
		"auth.subscribe": p.subscribe, "auth.allow": p.allow, "auth.publish": p.publish, "auth.anonymous.allow": p.anonymous,
		"auth.privileged": blocks, "events.max_per_subject": 100_000, "public.keepalive": "1s",
		"auth.check.url": check, "auth.check.cache": "2s",
	}
}

// escape writes a value as one token of a subject.
func escape(value string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// values are those of a claim: a list has many, one that is missing or empty none.
func values(claims stage.Claims, name string) []string {
	switch v := claims[name].(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case []string:
		return slices.DeleteFunc(slices.Clone(v), func(s string) bool { return s == "" })
	}
	return nil
}

// expand is what a template makes of claims. No template here has two placeholders.
func expand(templates []string, claims stage.Claims) (made []string) {
	for _, t := range templates {
		before, rest, ok := strings.Cut(t, "{/")
		if !ok {
			made = append(made, t)
			continue
		}
		name, after, _ := strings.Cut(rest, "}")
		for _, v := range values(claims, name) {
			made = append(made, before+escape(v)+after)
		}
	}
	return made
}

// covers reports whether all that a pattern or a subject stands for lies within a grant: *
// is one token, > at the end one or more.
func covers(grant, asked string) bool {
	g, a := strings.Split(grant, "."), strings.Split(asked, ".")
	for i, token := range g {
		switch {
		case token == ">":
			return len(a) > i
		case i >= len(a) || a[i] == ">":
			return false
		case token != "*" && token != a[i]:
			return false
		}
	}
	return len(a) == len(g)
}

func coveredBy(grants []string, asked string) bool {
	return slices.ContainsFunc(grants, func(g string) bool { return covers(g, asked) })
}

// wants reports whether an event of a type passes a filter.
func wants(filter []string, typ string) bool {
	return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool {
		prefix, wild := strings.CutSuffix(f, "*")
		return f == typ || wild && strings.HasPrefix(typ, prefix)
	})
}

func isWild(s string) bool { return strings.ContainsAny(s, "*>") }

func isPresence(s string) bool { return strings.HasPrefix(s, "presence.") }

// valid reports whether s is anything that may be asked for at all.
func valid(s string) bool {
	if rest, ok := strings.CutPrefix(s, "presence."); ok {
		if !strings.HasPrefix(rest, "topic.") {
			rest = "user." + rest
		}
		return valid(rest) && !isWild(rest)
	}
	tokens := strings.Split(s, ".")
	for i, t := range tokens {
		plain := t != "" && strings.Trim(t, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=") == ""
		if !plain && t != "*" && (t != ">" || i != len(tokens)-1) {
			return false
		}
	}
	switch tokens[0] {
	case "user":
		return len(tokens) == 2 && tokens[1] != ">"
	case "topic":
		return len(tokens) >= 2
	}
	return false
}

// A person is who holds a token; nobody has none.
type person struct {
	token, user, session string
	claims               stage.Claims
	issued               time.Time

	brings, allowed, publishes []string
}

func (p *person) String() string {
	if p.token == "" {
		return "nobody"
	}
	return fmt.Sprintf("%s/%s%v", p.user, p.session, p.claims)
}

// grant works out what the rules give somebody.
func (p policy) grant(who *person) *person {
	if who.token == "" {
		who.allowed = p.anonymous
		return who
	}
	who.brings, who.allowed, who.publishes = expand(p.subscribe, who.claims), expand(p.allow, who.claims), expand(p.publish, who.claims)
	for _, b := range p.privileged {
		if slices.ContainsFunc(values(who.claims, b.claim), func(v string) bool { return slices.Contains(b.anyOf, v) }) {
			who.allowed = append(who.allowed, expand(b.allow, who.claims)...)
		}
	}
	return who
}

// may reports whether somebody may follow what they ask for.
func (p *person) may(asked string) bool {
	return valid(asked) && (slices.Contains(p.brings, asked) || coveredBy(p.allowed, asked) || p.says("subscribe", asked))
}

// says is what the back end answers about somebody with a token, and never about a wildcard.
func (p *person) says(action, subject string) bool {
	return p.token != "" && !isWild(subject) && decides(p.user, action, subject)
}

// decides is how the back end does it: half of those below topic.asked, and the presence of
// some.
func decides(user, action, subject string) bool {
	if !strings.HasPrefix(subject, "topic.asked.") && !strings.HasPrefix(subject, "presence.topic.asked.") {
		return false
	}
	sum := sha256.Sum256([]byte(user + " " + action + " " + subject))
	return sum[0]%2 == 0
}

func (p *person) mayAll(asked []string) bool {
	return !slices.ContainsFunc(asked, func(s string) bool { return !p.may(s) })
}

// follows is what a connection follows that has asked for something: what the token brings,
// and that.
func (p *person) follows(asked []string) []string {
	all := slices.Clone(p.brings)
	for _, s := range asked {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// A blacklist is what was revoked: sessions, and of users all tokens up to a time.
type blacklist struct {
	sessions map[string]bool
	users    map[string]time.Time
}

func (b *blacklist) cuts(p *person) bool {
	if p.token == "" {
		return false
	}
	until, ok := b.users[p.user]
	return b.sessions[p.session] || ok && !p.issued.After(until)
}
