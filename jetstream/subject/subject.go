// Package subject is Weft's language of addresses: how a user or a topic
// becomes a NATS subject, and back.
//
// A user's inbox is user.<user>; a shared topic is topic.<token>.<token>….
// Every token is escaped: each byte outside A-Z a-z 0-9 - _ is written =XX with
// upper-case hex, so that "ann@x.org" becomes "ann=40x=2Eorg". The form is
// reversible, can be typed by hand and is legal both as a NATS subject token
// and as a key of a NATS key-value bucket.
package subject

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxToken is the greatest length of an unescaped token in bytes.
const MaxToken = 200

// maxTokens bounds how many tokens a topic may have.
const maxTokens = 16

// MaxBytes is the greatest length of a subject as it is written. A line of the
// NATS protocol with the subject, a prefix and a reply must be below the server's
// max_control_line of 4 KiB: on a longer one it closes the connection, and the node
// has one for all.
const MaxBytes = 2048

// Prefixes of the subjects that carry events.
const (
	User  = "user."
	Topic = "topic."
	// Out is put before a subject by the stream's RePublish.
	Out = "out."
	// Keys begins those of what is written into buckets: $KV.<bucket>.<key> (ADR-8).
	Keys = "$KV."

	// AllUsers and AllTopics are all that may be meant for a user or a topic, with what
	// is misaddressed: who listens to them can refuse it.
	AllUsers  = User + ">"
	AllTopics = Topic + ">"
)

// Rules begins the subjects in.<rule>, at which a publisher has a rule say whom its events are
// for; AllRules are all of them, also those of no rule.
const (
	Rules    = "in."
	AllRules = Rules + ">"
)

// Prefixes of what is between a node and services: its requests, and the answers that
// name a correlation.
const (
	Services = "svc."
	Reply    = "reply."

	AllServices = Services + ">"
	AllReplies  = Reply + ">"
)

// IsInbox reports whether somebody may name a subject to be answered at: it is an inbox as
// client libraries make them, _INBOX.… or _INBOX_<user>.…, without wildcards. What is
// answered elsewhere could be taken for a message that its author may not publish.
func IsInbox[T string | []byte](reply T) bool {
	const begin = "_INBOX"
	if len(reply) < len(begin)+2 || string(reply[:len(begin)]) != begin || reply[len(begin)] != '.' && reply[len(begin)] != '_' {
		return false
	}
	for i := range len(reply) {
		if c := reply[i]; c <= ' ' || c == '*' || c == '>' || c == 0x7f {
			return false
		}
	}
	return true
}

// ErrToken is wrapped by all errors about a token that is empty or too long.
var ErrToken = errors.New("bad subject token")

// ErrSubject is wrapped by all errors about a subject that is not canonical.
var ErrSubject = errors.New("bad subject")

const upperHex = "0123456789ABCDEF"

func plain(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// Escape writes s as one subject token. It fails with ErrToken when s is empty
// or longer than MaxToken bytes.
func Escape(s string) (string, error) {
	if s == "" {
		return "", fmt.Errorf("%w: empty", ErrToken)
	}
	if len(s) > MaxToken {
		return "", fmt.Errorf("%w: %d bytes, at most %d", ErrToken, len(s), MaxToken)
	}
	extra := 0
	for i := 0; i < len(s); i++ {
		if !plain(s[i]) {
			extra += 2
		}
	}
	if extra == 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s)+extra)
	for i := 0; i < len(s); i++ {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '=', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b), nil
}

// Unescape is the inverse of Escape. It accepts only what Escape makes.
func Unescape(token string) (string, error) {
	n, err := unescapedLen(token)
	if err != nil {
		return "", err
	}
	if n == len(token) {
		return token, nil
	}
	b := make([]byte, 0, n)
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c == '=' {
			c = unhex(token[i+1])<<4 | unhex(token[i+2])
			i += 2
		}
		b = append(b, c)
	}
	return string(b), nil
}

// unescapedLen checks that a token is canonical and returns its length in bytes
// when it is unescaped.
func unescapedLen(token string) (n int, err error) {
	for i := 0; i < len(token); i++ {
		switch c := token[i]; {
		case plain(c):
		case c == '=' && i+2 < len(token):
			hi, lo := unhex(token[i+1]), unhex(token[i+2])
			if hi > 15 || lo > 15 || plain(hi<<4|lo) {
				return 0, fmt.Errorf("%w: %.80q is not canonical", ErrToken, token)
			}
			i += 2
		default:
			return 0, fmt.Errorf("%w: %.80q holds a byte that must be escaped", ErrToken, token)
		}
		n++
	}
	if n == 0 || n > MaxToken {
		return 0, fmt.Errorf("%w: %d bytes, want 1 to %d", ErrToken, n, MaxToken)
	}
	return n, nil
}

// unhex returns the value of an upper-case hexadecimal digit, more than 15 for
// any other byte.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// OfUser is the inbox subject of a user.
func OfUser(user string) (string, error) {
	t, err := Escape(user)
	if err != nil {
		return "", err
	}
	return User + t, nil
}

// UserOf returns the unescaped user of an inbox subject, "" when it is none.
func UserOf(s string) string {
	t, ok := strings.CutPrefix(s, User)
	if !ok {
		return ""
	}
	u, err := Unescape(t)
	if err != nil {
		return ""
	}
	return u
}

// Check reports why s cannot carry an event: an event's subject is user.<token>
// or topic.<token>[.<token>…] in canonical escaping, without wildcards.
func Check(s string) error { return check(s, false) }

// CheckPattern is Check for a subject that may hold NATS wildcards: "*" for one
// token and, in a topic, ">" as the last one. "user.>" is refused: a user has
// exactly one subject.
func CheckPattern(s string) error { return check(s, true) }

func check(s string, wild bool) error {
	if len(s) > MaxBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrSubject, len(s), MaxBytes)
	}
	rest, isUser := strings.CutPrefix(s, User)
	if !isUser {
		var isTopic bool
		if rest, isTopic = strings.CutPrefix(s, Topic); !isTopic {
			return fmt.Errorf("%w: %.80q does not begin with user. or topic", ErrSubject, s)
		}
	}
	n := 0
	for more := true; more; n++ {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if wild && token == "*" || wild && token == ">" && !more && !isUser {
			continue
		}
		if _, err := unescapedLen(token); err != nil {
			return fmt.Errorf("%w %.80q: %w", ErrSubject, s, err)
		}
	}
	if isUser && n != 1 {
		return fmt.Errorf("%w: %.80q: a user is one token; escape other bytes as =XX", ErrSubject, s)
	}
	if n > maxTokens {
		return fmt.Errorf("%w: %.80q has %d tokens, at most %d", ErrSubject, s, n, maxTokens)
	}
	return nil
}

// fewSubjects is how many are compared with each other: a connection has few as a rule,
// and a map of them would be memory for each.
const fewSubjects = 16

// Distinct leaves out of a list of subjects what is there already. It changes list.
func Distinct(list []string) []string {
	out := list[:0]
	if len(list) <= fewSubjects {
		for _, s := range list {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		return out
	}
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// IsPattern reports whether s holds a wildcard.
func IsPattern(s string) bool { return strings.ContainsAny(s, "*>") }

// Match reports whether pattern, which may hold wildcards, matches s. When s is
// itself a pattern, the answer is whether all that s matches is matched by
// pattern.
func Match(pattern, s string) bool {
	for {
		p, prest, pmore := strings.Cut(pattern, ".")
		if p == ">" {
			return s != ""
		}
		t, trest, tmore := strings.Cut(s, ".")
		if t == ">" || p != "*" && p != t || pmore != tmore {
			return false
		}
		if !pmore {
			return true
		}
		pattern, s = prest, trest
	}
}
