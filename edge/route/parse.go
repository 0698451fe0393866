package route

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"weft/bridge/pointer"
	"weft/edge/route/pattern"
	"weft/edge/route/template"
)

// A parser reads one document and collects what is wrong with it.
type parser struct {
	root   *node
	scheme Scheme // of the target; "" when that is none
	mode   AuthMode
	scope  template.Scope // of templates other than targets
	errs   []*FieldError
}

// bad adds what is wrong. From maxErrors on nothing is added.
func (p *parser) bad(field, detail string) {
	if !p.full() {
		p.errs = append(p.errs, &FieldError{field, detail})
	}
}

// full reports that no more is said.
func (p *parser) full() bool { return len(p.errs) >= maxErrors }

// CheckName says what is wrong with the name of a route, nil when nothing is.
func CheckName(name string) *FieldError {
	ok := name != "" && len(name) <= maxNames
	for i := range len(name) {
		c := name[i]
		ok = ok && (c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}
	if !ok {
		return &FieldError{"name", "is not 1 to 64 letters, digits, - and _"}
	}
	return nil
}

// Parse reads the document of a route, and returns the route, or all that is wrong, of which
// there are at most 100. The route keeps the document, which must not be changed.
func Parse(name string, document []byte) (*Route, []*FieldError) {
	p := &parser{}
	if err := CheckName(name); err != nil {
		p.errs = append(p.errs, err)
	}
	root, ok := p.readDocument(document)
	if !ok {
		return nil, p.errs
	}
	p.root = root
	p.scheme = schemeOf(root)
	p.check(documentFields, root, &place{})
	r := p.route()
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	r.Name, r.Document = name, document
	return r, nil
}

// route makes the route of what is good, and says what is wrong beyond single fields.
func (p *parser) route() *Route {
	d := p.section()
	r := &Route{Scheme: p.scheme,
		BodyLimit:      d.size("body_limit"),
		ConnectTimeout: d.duration("connect_timeout"),
		Timeout:        d.duration("timeout"),
		IdleTimeout:    d.duration("idle_timeout"),
		IdleStreams:    d.has("idle_timeout"),
		PreserveHost:   d.flag("preserve_host"),
		CORS:           p.origins(d),
	}
	p.auth(r, d.section("auth"))
	p.pattern(r, d)
	p.targets(r, d)
	p.headers(r, d)
	p.rate(r, d.section("rate"))
	r.Key = p.template(d, "key")
	if c := d.section("cloudevent"); c.there() {
		r.CloudEvent = &CloudEvent{Type: p.template(c, "type"), Source: c.text("source")}
	}
	if a := d.section("reply"); a.there() {
		r.Reply = &Reply{Topic: a.text("topic"), Timeout: a.duration("timeout")}
		if p.scheme == Kafka && r.Reply.Topic != "" && len(r.Targets) > 0 && r.Targets[0].Host == r.Reply.Topic {
			p.bad("reply.topic", "is that of target: a request would be taken for its own answer")
		}
	}
	return r
}

func (p *parser) auth(r *Route, a reading) {
	p.mode = AuthMode(a.text("mode"))
	r.Auth, r.PassToken = p.mode, a.flag("pass_token")
	p.scope.Claims = p.mode != AuthNone
	n := a.get("require")
	if n == nil {
		return
	}
	if p.mode != AuthToken {
		p.bad("auth.require", "needs mode token")
	}
	for i := range n.members {
		m := &n.members[i]
		name := strings.Clone(m.name)
		tokens, err := pointer.Split(name)
		if m.node.bad || err != nil {
			continue
		}
		need := Require{Pointer: name, tokens: tokens}
		for j := range m.node.members {
			if s, ok := m.node.members[j].node.text(); ok {
				need.Values = append(need.Values, strings.Clone(s))
			}
		}
		r.Require = append(r.Require, need)
	}
}

func (p *parser) pattern(r *Route, d reading) {
	p.scope.AnyName = true
	if !d.good("pattern") {
		return
	}
	text := d.text("pattern")
	found, err := pattern.Parse(text)
	if err != nil {
		p.bad("pattern", err.Error())
		return
	}
	r.Pattern = found
	p.scope.AnyName, p.scope.Names = false, found.Names()
	if name, ok := strings.CutSuffix(text, "...}"); ok && len(p.scope.Names) > 0 {
		p.scope.Rest = name[strings.LastIndexByte(name, '{')+1:]
	}
	if m := found.Method(); p.scheme == Kafka && !d.has("reply") && slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, m) {
		p.bad("pattern", m+" is not for a target of scheme kafka without reply: there would be nothing to answer")
	}
}

func (p *parser) origins(d reading) (origins []string) {
	n := d.get("cors")
	if n == nil {
		return nil
	}
	for i := range n.members {
		s, ok := n.members[i].node.text()
		if detail := wrongOrigin(s); ok && detail != "" {
			p.bad("cors["+strconv.Itoa(i)+"]", detail)
		}
		origins = append(origins, strings.Clone(s))
	}
	return origins
}

func (p *parser) rate(r *Route, d reading) {
	if !d.there() {
		return
	}
	r.Rate = &Rate{Per: d.text("per")}
	if r.Rate.Per == PerUser && p.mode != AuthToken {
		p.bad("rate.per", "needs mode token")
	}
	if !d.good("limit") {
		return
	}
	count, unit, _ := strings.Cut(d.text("limit"), "/")
	n, _ := strconv.Atoi(count)
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	r.Rate.Limit, r.Rate.Burst = float64(n)/seconds, n
	if b := d.get("burst"); b != nil {
		v, _ := wholeNumber(b)
		r.Rate.Burst = int(v)
	}
}

func (p *parser) template(d reading, name string) *template.Template {
	if !d.good(name) {
		return nil
	}
	t, err := template.Parse(d.text(name), p.scope)
	if err != nil {
		p.bad(join(d.at, name), err.Error())
	}
	return t
}

func (p *parser) headers(r *Route, d reading) {
	q := d.section("request_headers")
	r.RequestHeaders.Remove, r.RequestHeaders.Pass = p.names(q, "remove"), p.names(q, "pass")
	p.set(q, func(name string, n *node) error {
		text, _ := n.text()
		t, err := template.Parse(strings.Clone(text), p.scope)
		r.RequestHeaders.Set = append(r.RequestHeaders.Set, SetHeader{name, t})
		return err
	})
	slices.SortFunc(r.RequestHeaders.Set, func(a, b SetHeader) int { return strings.Compare(a.Name, b.Name) })
	p.fewNames(q, len(r.RequestHeaders.Set)+len(r.RequestHeaders.Remove)+len(r.RequestHeaders.Pass))

	a := d.section("response_headers")
	r.ResponseHeaders.Remove = p.names(a, "remove")
	p.set(a, func(name string, n *node) error {
		if r.ResponseHeaders.Set == nil {
			r.ResponseHeaders.Set = map[string]string{}
		}
		text, _ := n.text()
		r.ResponseHeaders.Set[name] = strings.Clone(text)
		return nil
	})
	p.fewNames(a, len(r.ResponseHeaders.Set)+len(r.ResponseHeaders.Remove))
}

// set calls made with each header that is set.
func (p *parser) set(d reading, made func(name string, n *node) error) {
	n := d.get("set")
	if n == nil {
		return
	}
	var seen []string
	at := join(d.at, "set")
	for i := range n.members {
		m := &n.members[i]
		if m.node.bad {
			continue
		}
		name := strings.Clone(http.CanonicalHeaderKey(m.name))
		if slices.Contains(seen, name) {
			p.bad(at, fmt.Sprintf("%q is set twice", shorten(m.name)))
			continue
		}
		seen = append(seen, name)
		if err := made(name, &m.node); err != nil {
			p.bad(at, fmt.Sprintf("%q: %v", shorten(m.name), err))
		}
	}
}

// names are those of headers, canonical.
func (p *parser) names(d reading, name string) (names []string) {
	n := d.get(name)
	if n == nil {
		return nil
	}
	for i := range n.members {
		if s, ok := n.members[i].node.text(); ok {
			names = append(names, strings.Clone(http.CanonicalHeaderKey(s)))
		}
	}
	return names
}

func (p *parser) fewNames(d reading, count int) {
	if count > maxNames {
		p.bad(d.at, fmt.Sprintf("has %d names, at most %d", count, maxNames))
	}
}

// A reading is a section of a document, with the defaults of what is not in it or is bad.
type reading struct {
	p  *parser
	f  *field
	n  *node // nil: it is not there
	at string
}

func (p *parser) section() reading { return reading{p, documentFields, p.root, ""} }

func (d reading) section(name string) reading {
	return reading{d.p, d.f.member(name), d.get(name), join(d.at, name)}
}

func (d reading) there() bool { return d.n != nil }

func (d reading) has(name string) bool { return d.n.get(name) != nil }

// get returns a member that is not bad as a whole.
func (d reading) get(name string) *node {
	if n := d.n.get(name); n != nil && !n.bad {
		return n
	}
	return nil
}

// good reports whether a member is there and not bad.
func (d reading) good(name string) bool { return d.get(name) != nil }

func (d reading) text(name string) string {
	if n := d.get(name); n != nil {
		s, _ := n.text()
		return strings.Clone(s)
	}
	return d.f.member(name).standard
}

func (d reading) flag(name string) bool {
	if n := d.get(name); n != nil {
		return n.raw[0] == 't'
	}
	return d.f.member(name).standardOf(d.p.scheme) == "true"
}

func (d reading) duration(name string) time.Duration {
	s := d.f.member(name).standard
	if n := d.get(name); n != nil {
		s, _ = n.text()
	}
	v, _ := time.ParseDuration(s)
	return v
}

// size is in bytes; -1 is none.
func (d reading) size(name string) int64 {
	if n := d.get(name); n != nil {
		v, isNone, _ := readSize(n)
		if isNone {
			return -1
		}
		return v
	}
	v, _ := sizeOf(d.f.member(name).standardOf(d.p.scheme))
	return v
}
