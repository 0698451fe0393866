package route

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"weft/edge/route/template"
)

// schemes are all of them, in the order of the documentation.
var schemes = []string{string(HTTP), string(HTTPS), string(H2C), string(NATS), string(Kafka)}

const schemeEnd = "://"

// schemeOf is the scheme of a document's target, or of the first of its targets that has
// one; "" when there is none.
func schemeOf(root *node) Scheme {
	all := []*node{root.get("target")}
	if n := root.get("targets"); n != nil {
		for i := range n.members {
			all = append(all, &n.members[i].node)
		}
	}
	for _, n := range all {
		if n == nil {
			continue
		}
		s, _ := n.text()
		before, _, ok := strings.Cut(s, schemeEnd)
		if i := slices.Index(schemes, before); ok && i >= 0 {
			return Scheme(schemes[i]) // before is part of the document
		}
	}
	return ""
}

// targets reads target or targets.
func (p *parser) targets(r *Route, d reading) {
	switch one, many := d.has("target"), d.has("targets"); {
	case one && many:
		p.bad("target", "both target and targets; write one of the two")
	case !one && !many:
		p.bad("target", "is missing")
	}
	if d.good("target") {
		p.target(r, "target", d.text("target"))
	}
	n := d.get("targets")
	if n == nil {
		return
	}
	first := len(r.Targets)
	for i := range n.members {
		at := "targets[" + strconv.Itoa(i) + "]"
		if n.members[i].node.bad {
			continue
		}
		text, _ := n.members[i].node.text()
		text = strings.Clone(text)
		if !p.target(r, at, text) || len(r.Targets)-1 == first {
			continue
		}
		a, b := &r.Targets[first], &r.Targets[len(r.Targets)-1]
		switch {
		case schemePart(a.Text) != schemePart(b.Text):
			p.bad(at, fmt.Sprintf("has scheme %q where the first one has %q; several targets have the same", schemePart(b.Text), schemePart(a.Text)))
		case a.pathText() != b.pathText():
			p.bad(at, "has another path than the first one; several targets have the same path and query")
		case a.RawQuery != b.RawQuery:
			p.bad(at, "has another query than the first one; several targets have the same path and query")
		}
	}
}

func schemePart(text string) string {
	scheme, _, _ := strings.Cut(text, schemeEnd)
	return scheme
}

func (t *Target) pathText() string {
	if t.Path == nil {
		return ""
	}
	return t.Path.String()
}

// target reads one target, and adds it when it is good.
func (p *parser) target(r *Route, at, text string) bool {
	scheme, after, ok := strings.Cut(text, schemeEnd)
	if !ok || !contains(schemes, scheme) {
		if !ok {
			scheme = ""
		}
		p.bad(at, fmt.Sprintf("scheme %q is none of %s; write one like http://host:8080", shorten(scheme), strings.Join(schemes, ", ")))
		return false
	}
	t := Target{Text: text}
	var err error
	switch Scheme(scheme) {
	case NATS:
		t.Path, err = template.ParseSubject(after, p.scope)
	case Kafka:
		if t.Host = after; !isTopic(after) {
			err = fmt.Errorf("%q %s", shorten(after), topicForm.detail)
		}
	default:
		err = p.url(r, &t, after)
	}
	if err != nil {
		p.bad(at, err.Error())
		return false
	}
	r.Targets = append(r.Targets, t)
	return true
}

// url reads what follows the scheme of an HTTP target.
func (p *parser) url(r *Route, t *Target, after string) error {
	authority, path := after, ""
	if end := endOfAuthority(after); end < len(after) {
		authority, path = after[:end], after[end:]
	}
	path, fragment, hasFragment := strings.Cut(path, "#")
	path, query, hasQuery := strings.Cut(path, "?")
	if err := checkAuthority(authority); err != nil {
		return err
	}
	switch {
	case hasFragment:
		return fmt.Errorf("has a fragment, %q, which no server is sent", shorten("#"+fragment))
	case hasQuery:
		if err := checkQuery(query); err != nil {
			return err
		}
	}
	t.Host, t.RawQuery = authority, query
	if path == "" {
		return nil
	}
	if r.Pattern != nil && r.Pattern.Unnamed() {
		return fmt.Errorf("the pattern ends in /; name the rest, %s{rest...}, and use {rest}", p.patternPath())
	}
	names := p.scope
	names.Claims = false
	var err error
	t.Path, err = template.ParsePath(path, names)
	return err
}

// patternPath is the pattern from its path on.
func (p *parser) patternPath() string {
	s, _ := p.root.get("pattern").text()
	return s[max(0, strings.IndexByte(s, '/')):]
}

// endOfAuthority is where the path, the query or the fragment begins. A slash in a
// placeholder ends nothing, so that {/claim} is found to be in the host.
func endOfAuthority(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			depth--
		case '/', '?', '#':
			if depth <= 0 {
				return i
			}
		}
	}
	return len(s)
}

// checkAuthority says what is wrong with host[:port].
func checkAuthority(s string) error {
	switch {
	case strings.Contains(s, "@"):
		return errors.New("user and password do not belong here; use upstreams")
	case strings.ContainsAny(s, "{}"):
		return errors.New("a placeholder in the host")
	}
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || port[0] == '+' {
			return fmt.Errorf("port %q is not 1 to 65535", shorten(port))
		}
	}
	if host == "" {
		return errors.New("has no host")
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if a, err := netip.ParseAddr(inner); !ok || err != nil || !a.Is6() || a.Zone() != "" {
			return fmt.Errorf("host %q is no IPv6 address in brackets", shorten(host))
		}
		return nil
	}
	for i := range len(host) {
		c := host[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return fmt.Errorf("host %q is no name of letters, digits, -, _ and ., and no address", shorten(host))
		}
	}
	return nil
}

// checkQuery says what is wrong with the query of a target.
func checkQuery(s string) error {
	if strings.ContainsAny(s, "{}") {
		return errors.New("a placeholder in the query; only the path has some, and a brace itself is %7B or %7D")
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`|", c) >= 0 {
			return fmt.Errorf("%q is not for a query; escape it as %%%02X", s[i:i+1], c)
		}
	}
	return nil
}
