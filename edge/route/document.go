package route

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"weft/bridge/pointer"
)

// Bounds of a document as a whole.
const (
	maxDocument = 64 << 10
	maxDepth    = 16
	// maxErrors bounds what is said of one document.
	maxErrors = 100
)

// A node is a value of a document. It is part of one text, of which a route must keep
// nothing: what it keeps is cloned.
type node struct {
	kind    byte   // one of { [ " 0 t n
	bad     bool   // it has been complained about
	raw     string // as it is written
	members []member
}

// A member is one of an object, or of a list, where it has no name.
type member struct {
	name string
	node node
}

// kindOf is that of a value that begins with a byte.
func kindOf(c byte) byte {
	switch c {
	case '{', '[', '"', 'n':
		return c
	case 't', 'f':
		return 't'
	}
	return '0'
}

// get returns a member of an object, nil when it has none of this name.
func (n *node) get(name string) *node {
	if n == nil || n.kind != '{' {
		return nil
	}
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i].node
		}
	}
	return nil
}

// text is a string without quotes and escapes; ok is false when it is none.
func (n *node) text() (string, bool) {
	if n.kind != '"' {
		return "", false
	}
	return unquote(n.raw)
}

// unquote is part of the quoted text unless it has escapes.
func unquote(quoted string) (string, bool) {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	s, err := pointer.Text([]byte(quoted))
	return s, err == nil
}

// errNoObject is what a document is that is something else.
const errNoObject = "is no JSON object"

// readDocument reads the whole document, and says what makes it unreadable.
func (p *parser) readDocument(document []byte) (*node, bool) {
	switch {
	case len(document) > maxDocument:
		p.bad("", "is longer than 64 KiB")
		return nil, false
	case bytes.HasPrefix(document, []byte("\ufeff")):
		p.bad("", errNoObject+": it begins with a byte order mark")
		return nil, false
	case !utf8.Valid(document):
		p.bad("", errNoObject+": it is not UTF-8")
		return nil, false
	}
	if !json.Valid(document) {
		p.bad("", errNoObject+syntax(document))
		return nil, false
	}
	r := reader{parser: p, doc: string(document)}
	root, ok := r.value(0)
	switch {
	case !ok:
		return nil, false
	case root.kind != '{':
		p.bad("", errNoObject)
		return nil, false
	}
	return &root, true
}

// syntax says where a document that is no JSON ends to be some.
func syntax(document []byte) string {
	var into json.RawMessage
	var bad *json.SyntaxError
	if len(bytes.TrimSpace(document)) == 0 {
		return ": it is empty"
	}
	if !errors.As(json.Unmarshal(document, &into), &bad) {
		return ""
	}
	before := document[:max(0, min(int(bad.Offset)-1, len(document)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf(": line %d, column %d: %s", line, column, bad.Error())
}

// A reader makes nodes of a document that is known to be valid JSON.
type reader struct {
	*parser
	doc  string
	pos  int
	path []string // to what is being read
}

func (r *reader) space() {
	for r.pos < len(r.doc) {
		switch r.doc[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// value reads the next value; it is false when the document is nested too deeply.
func (r *reader) value(depth int) (n node, ok bool) {
	if depth > maxDepth {
		r.bad("", fmt.Sprintf("is nested in more than %d levels", maxDepth))
		return n, false
	}
	r.space()
	start := r.pos
	n.kind = kindOf(r.doc[start])
	switch n.kind {
	case '{', '[':
		ok = r.members(&n, depth)
	case '"':
		r.skipString()
		ok = true
	default:
		for r.pos < len(r.doc) && strings.IndexByte(",]} \t\r\n", r.doc[r.pos]) < 0 {
			r.pos++
		}
		ok = true
	}
	n.raw = r.doc[start:r.pos]
	return n, ok
}

func (r *reader) skipString() {
	for r.pos++; r.doc[r.pos] != '"'; r.pos++ {
		if r.doc[r.pos] == '\\' {
			r.pos++
		}
	}
	r.pos++
}

// members reads those of an object or a list. A name may stand there once.
func (r *reader) members(n *node, depth int) bool {
	r.pos++
	for {
		r.space()
		switch r.doc[r.pos] {
		case '}', ']':
			r.pos++
			r.findTwice(n)
			return true
		case ',':
			r.pos++
			continue
		}
		var m member
		whole := true
		if n.kind == '{' {
			start := r.pos
			r.skipString()
			name, ok := unquote(r.doc[start:r.pos])
			if !ok {
				r.bad("", "names a member with half of a surrogate pair")
				whole = false
			}
			m.name = name
			r.path = append(r.path, name)
			r.space()
			r.pos++ // the colon
		}
		value, ok := r.value(depth + 1)
		if n.kind == '{' {
			r.path = r.path[:len(r.path)-1]
		}
		if !ok {
			return false
		}
		if n.members == nil {
			n.members = make([]member, 0, 4)
		}
		if m.node = value; whole {
			n.members = append(n.members, m)
		}
	}
}

// fewMembers is up to how many of them are compared each with each.
const fewMembers = 32

// findTwice says each name that stands in an object more than once.
func (r *reader) findTwice(n *node) {
	if n.kind != '{' {
		return
	}
	var seen map[string]int
	if len(n.members) > fewMembers {
		seen = make(map[string]int, len(n.members))
	}
	for i, m := range n.members {
		before := seen[m.name]
		if seen != nil {
			seen[m.name]++
		} else {
			before = count(n.members[:i], m.name)
		}
		if before != 1 || r.full() {
			continue
		}
		where := ""
		if len(r.path) > 0 {
			where = ", in " + shorten(strings.Join(r.path, "."))
		}
		r.bad("", fmt.Sprintf("names %q twice%s", shorten(m.name), where))
	}
}

func count(members []member, name string) (found int) {
	for i := range members {
		if members[i].name == name {
			found++
		}
	}
	return found
}

// join is the path of a member.
func join(at, name string) string {
	if at == "" {
		return shorten(name)
	}
	return at + "." + shorten(name)
}

// maxName is how much of what a document names is repeated.
const maxName = 100

func shorten(s string) string {
	if len(s) <= maxName {
		return s
	}
	end := maxName
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
