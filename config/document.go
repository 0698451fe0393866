package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A document reads one YAML text into the structs of a configuration. It goes
// on after a mistake, so that all of them are found at once.
type document struct {
	*Loaded
	// origin is fixed for the text of an environment variable; for a file only
	// its name is, and the line comes from each node.
	origin  Origin
	lines   bool
	anchors map[string]ast.Node
}

// maxAliases bounds how many aliases are followed to reach one value.
const maxAliases = 8

// parse reads text and returns its only document, nil when it is empty.
func (d *document) parse(text []byte) ast.Node {
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	if isWide(text) {
		d.add(d.at(1), "", "is UTF-16 or UTF-32; save it as UTF-8")
		return nil
	}
	if i := firstInvalid(text); i >= 0 {
		d.add(d.at(1+strings.Count(string(text[:i]), "\n")), "", "is not UTF-8")
		return nil
	}
	if l := tooDeep(text); l > 0 {
		d.add(d.at(l), "", "is nested too deeply")
		return nil
	}
	// Keys that are there twice are found below, together with all else.
	file, err := parseYAML(text)
	if err != nil {
		var bad yaml.Error
		if errors.As(err, &bad) && bad.GetToken() != nil {
			o, msg := d.at(bad.GetToken().Position.Line), bad.GetMessage()
			if o.Line > 0 {
				o.Column = bad.GetToken().Position.Column
			}
			if strings.Contains(msg, "must be specified") { // a list or a section in brackets goes on where it should not
				msg += "; quote a value that holds one of , [ ] { }"
			}
			d.add(o, "", msg)
		} else {
			d.add(d.origin, "", "is no YAML")
		}
		return nil
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType && doc.Body.Type() != ast.DirectiveType {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) == 0 {
		return nil
	}
	if len(bodies) > 1 {
		d.add(d.at(line(bodies[1])), "", "begins a second document; a configuration is one")
	}
	d.anchors = map[string]ast.Node{}
	for _, n := range ast.Filter(ast.AnchorType, bodies[0]) {
		if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
			d.anchors[a.Name.String()] = a.Value
		}
	}
	return bodies[0]
}

// maxDepth bounds the nesting of a text: the parser's time grows with its
// square. No key of ours is deeper than eight.
const maxDepth = 64

// tooDeep returns the line in which text is nested too deeply, 0 when none is.
// It need not be exact: it counts open brackets, and what begins a line.
func tooDeep(text []byte) int {
	line, open, lead, leading := 1, 0, 0, true
	for _, c := range text {
		switch c {
		case '\n':
			line, lead, leading = line+1, 0, true
			continue
		case '[', '{':
			open++
		case ']', '}':
			open = max(open-1, 0)
		case ' ', '-', '?':
			if leading {
				lead++
			}
			continue
		}
		leading = false
		if open > maxDepth || lead > 4*maxDepth {
			return line
		}
	}
	return 0
}

// parseYAML turns a panic of the parser, which some texts that are no YAML
// cause, into an error.
func parseYAML(text []byte) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("parse YAML: %v", r)
		}
	}()
	return parser.Parse(tokenize(string(text)), 0, parser.AllowDuplicateMapKey())
}

// byteOrderMark is what some editors write before text in UTF-8. It is no part
// of it (YAML 1.2.2, 5.2).
const byteOrderMark = "\ufeff"

// isWide reports whether text is in another encoding of Unicode than UTF-8: it
// has the byte order mark of one, or a zero byte within its first letter.
func isWide(text []byte) bool {
	return bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) ||
		bytes.IndexByte(text[:min(len(text), 2)], 0) >= 0
}

func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func (d *document) at(line int) Origin {
	if !d.lines {
		return d.origin
	}
	return Origin{Name: d.origin.Name, Line: line}
}

func line(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// resolve follows anchors, aliases and tags to the value itself.
func (d *document) resolve(n ast.Node) (ast.Node, error) {
	for range maxAliases {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.AliasNode:
			name := ""
			if x.Value != nil {
				name = x.Value.String()
			}
			value, ok := d.anchors[name]
			if !ok {
				return nil, fmt.Errorf("there is no anchor %q", name)
			}
			n = value
		case *ast.TagNode:
			n = x.Value
		default:
			return n, nil
		}
	}
	return nil, errors.New("is an alias of an alias, too often")
}
