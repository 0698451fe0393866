package route

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"weft/config"
	"weft/config/suggestion"
)

// A field is what may stand in a document: in which form, within which bounds, and for which
// targets. What is checked, the JSON Schema and the table of the documentation are made of
// the same fields.
type field struct {
	name  string
	kind  fieldKind
	takes takers // 0: all
	// least and most bound a number, a duration in nanoseconds, a size in bytes, and how
	// many elements or bytes there are.
	least, most int64
	// standard is the default, as it would be written.
	standard string
	// messages are the default and the most for NATS and Kafka, where they differ.
	messages *messageBounds
	required bool
	one      []string // all that a text may be
	form     *form    // of a text, nil: any
	keys     *form    // of the names in a mapping
	each     *field   // of a list or a mapping
	members  []*field // of a section
	shape    string   // for the table, where it does not follow
	means    string
}

type messageBounds struct {
	standard string
	most     int64
}

// A form is what a text looks like.
type form struct {
	expr   string // a regular expression of ECMA-262 and of Go
	not    string // one that must not match; "": none
	ok     func(string) bool
	detail string // what is wrong with a text that is not of the form, after it
}

type fieldKind uint8

const (
	text     fieldKind = iota
	flag               // true or false
	number             // a whole one
	duration           // of Go
	size               // of package config; "none" where most is unlimited
	list
	mapping // an object with names of the document's own
	section // an object with members
)

// unlimited is the most of a size that may also be "none".
const unlimited = math.MaxInt64

// takers are the schemes that a field is for.
type takers uint8

const (
	takesHTTP takers = 1 << iota
	takesNATS
	takesKafka
	takesMessages = takesNATS | takesKafka
)

func (t takers) has(s Scheme) bool {
	switch {
	case t == 0 || s == "":
		return true
	case s.IsHTTP():
		return t&takesHTTP != 0
	case s == NATS:
		return t&takesNATS != 0
	}
	return t&takesKafka != 0
}

// A place is where in a document something is wrong. It is spelled only then.
type place struct {
	above *place
	name  string // of a member
	index int    // of an element, from 1
	entry string // of a mapping: it is no part of the field
}

// field is the path to the place, and what comes before a detail.
func (at *place) field() (path, before string) {
	if at == nil || at.above == nil {
		return "", ""
	}
	path, before = at.above.field()
	switch {
	case at.name != "":
		path = join(path, at.name)
	case at.index > 0:
		if before != "" {
			return path, fmt.Sprintf("%s%d: ", before, at.index)
		}
		path += "[" + strconv.Itoa(at.index-1) + "]"
	default:
		before = fmt.Sprintf("%q: ", shorten(at.entry))
	}
	return path, before
}

// badAt adds what is wrong at a place.
func (p *parser) badAt(at *place, detail string) {
	field, before := at.field()
	p.bad(field, before+detail)
}

// check says all that is wrong with a value by its field alone, and marks it then.
func (p *parser) check(f *field, n *node, at *place) {
	if detail := p.wrong(f, n, at); detail != "" {
		n.bad = true
		p.badAt(at, detail)
	}
}

func (p *parser) wrong(f *field, n *node, at *place) string {
	if !f.takes.has(p.scheme) {
		return "is not for a target of scheme " + string(p.scheme)
	}
	switch f.kind {
	case text:
		return f.wrongText(n)
	case flag:
		if n.kind != 't' {
			return "is neither true nor false"
		}
	case number:
		v, ok := wholeNumber(n)
		if !ok || v < f.least || v > f.most {
			return fmt.Sprintf("is no whole number from %d to %d", f.least, f.most)
		}
	case duration:
		s, ok := n.text()
		d, err := time.ParseDuration(s)
		switch {
		case !ok || err != nil:
			return "is no duration like 30s"
		case int64(d) < f.least || int64(d) > f.most:
			return "is not between " + shortDuration(f.least) + " and " + shortDuration(f.most)
		}
	case size:
		return p.wrongSize(f, n)
	case list:
		if n.kind != '[' {
			return "is no list"
		}
		for i := range n.members {
			p.check(f.each, &n.members[i].node, &place{above: at, index: i + 1})
		}
		return f.wrongCount(n)
	case mapping:
		if n.kind != '{' {
			return "is no object"
		}
		for i := range n.members {
			m := &n.members[i]
			if f.keys != nil && !f.keys.ok(m.name) {
				p.badAt(at, fmt.Sprintf("%q %s", shorten(m.name), f.keys.detail))
				m.node.bad = true
				continue
			}
			p.check(f.each, &m.node, &place{above: at, entry: m.name})
		}
		return f.wrongCount(n)
	case section:
		if n.kind != '{' {
			return "is no object"
		}
		p.checkMembers(f, n, at)
	}
	return ""
}

// maxMistyped is the longest name in bytes that may be one of ours with typing errors.
const maxMistyped = 32

func (p *parser) checkMembers(f *field, n *node, at *place) {
	for i := range n.members {
		if p.full() {
			return
		}
		m := &n.members[i]
		if known := f.member(m.name); known != nil {
			p.check(known, &m.node, &place{above: at, name: m.name})
			continue
		}
		hint, near := "", ""
		if len(m.name) <= maxMistyped {
			near = suggestion.Nearest(m.name, f.names())
		}
		if near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		p.badAt(&place{above: at, name: m.name}, "is unknown"+hint)
	}
	for _, m := range f.members {
		if m.required && n.get(m.name) == nil {
			p.badAt(&place{above: at, name: m.name}, "is missing")
		}
	}
}

func (f *field) member(name string) *field {
	for _, m := range f.members {
		if m.name == name {
			return m
		}
	}
	return nil
}

func (f *field) names() (names []string) {
	for _, m := range f.members {
		names = append(names, m.name)
	}
	return names
}

func (f *field) wrongText(n *node) string {
	s, ok := n.text()
	switch {
	case n.kind != '"':
		return "is no string"
	case !ok:
		return "holds half of a surrogate pair"
	case int64(len(s)) < f.least:
		return "is empty"
	case f.most > 0 && int64(len(s)) > f.most:
		return fmt.Sprintf("is longer than %d bytes", f.most)
	case f.one != nil && !contains(f.one, s):
		return fmt.Sprintf("%q is none of %s", shorten(s), strings.Join(f.one, ", "))
	case f.form != nil && !f.form.ok(s):
		return fmt.Sprintf("%q %s", shorten(s), f.form.detail)
	}
	return ""
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func (f *field) wrongCount(n *node) string {
	if c := int64(len(n.members)); c < f.least || c > f.most {
		return fmt.Sprintf("has %d elements, not %d to %d", c, f.least, f.most)
	}
	return ""
}

// none is a size without a bound.
const none = "none"

func (p *parser) wrongSize(f *field, n *node) string {
	most := f.mostOf(p.scheme)
	v, isNone, ok := readSize(n)
	switch {
	case !ok:
		return "is no size like 10MiB"
	case isNone && most != unlimited && p.scheme != "":
		return fmt.Sprintf("is not between 0 and %v; %q is for http", config.Bytes(most), none)
	case !isNone && v > most:
		return fmt.Sprintf("is not between 0 and %v", config.Bytes(most))
	}
	return ""
}

// mostOf is the greatest value with targets of a scheme.
func (f *field) mostOf(s Scheme) int64 {
	if f.messages != nil && s != "" && !s.IsHTTP() {
		return f.messages.most
	}
	return f.most
}

// standardOf is the default with targets of a scheme.
func (f *field) standardOf(s Scheme) string {
	if f.messages != nil && s != "" && !s.IsHTTP() {
		return f.messages.standard
	}
	return f.standard
}

// readSize reads a number of bytes, or a text with a unit.
func readSize(n *node) (v int64, isNone, ok bool) {
	if n.kind == '0' {
		v, ok = wholeNumber(n)
		return v, false, ok && v >= 0
	}
	s, ok := n.text()
	if !ok || s == none {
		return 0, ok, ok
	}
	v, ok = sizeOf(s)
	return v, false, ok
}

// sizeOf is config.Bytes without spaces and signs around the number.
func sizeOf(s string) (int64, bool) {
	var b config.Bytes
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (i == 0 || c|0x20 < 'a' || c|0x20 > 'z') {
			return 0, false
		}
	}
	err := b.UnmarshalText([]byte(s))
	return int64(b), err == nil
}

// wholeNumber reads a number that is whole, however it is written.
func wholeNumber(n *node) (int64, bool) {
	if n.kind != '0' {
		return 0, false
	}
	if i, err := strconv.ParseInt(n.raw, 10, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(n.raw, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// shortDuration writes a duration without parts that are zero.
func shortDuration(ns int64) string {
	s := time.Duration(ns).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
