package pointer

import (
	"encoding/json"
	"iter"
	"unicode/utf8"
)

// A Document is a JSON document, or a part of one, that is known to be valid and
// need not be looked at again for that.
type Document struct{ raw []byte }

// Parse checks doc, which the Document keeps. It fails with ErrJSON.
func Parse(doc []byte) (Document, error) {
	if !Valid(doc) {
		return Document{}, ErrJSON
	}
	return Document{doc}, nil
}

// Valid reports whether doc is valid UTF-8 and one valid JSON value.
func Valid(doc []byte) bool { return utf8.Valid(doc) && json.Valid(doc) }

// Raw returns the document as it is written.
func (d Document) Raw() []byte { return d.raw }

// Elements returns the elements of a list, parts of d; ok is false when d is
// none.
func (d Document) Elements() (list iter.Seq[Document], ok bool) {
	s := scanner{doc: d.raw}
	s.space()
	if s.doc[s.pos] != '[' {
		return nil, false
	}
	return func(yield func(Document) bool) {
		for raw := range elements(d.raw[s.pos:]) {
			if !yield(Document{raw}) {
				return
			}
		}
	}, true
}

// Members returns the members of an object, parts of d, in the order in which they are
// written; ok is false when d is none. A name that stands twice comes twice. One that has no
// text, because it holds half of a surrogate pair, comes as it is written, quotes included.
func (d Document) Members() (list iter.Seq2[string, Document], ok bool) {
	s := scanner{doc: d.raw}
	s.space()
	if s.doc[s.pos] != '{' {
		return nil, false
	}
	return func(yield func(string, Document) bool) {
		s := scanner{doc: d.raw, pos: s.pos + 1}
		for {
			s.space()
			switch s.doc[s.pos] {
			case '}':
				return
			case ',':
				s.pos++
				continue
			}
			key, _ := s.text()
			name, err := unquote(key)
			if err != nil {
				name = string(key)
			}
			s.space()
			s.pos++ // :
			s.space()
			start := s.pos
			s.skip()
			if !yield(name, Document{s.doc[start:s.pos:s.pos]}) {
				return
			}
		}
	}, true
}

// elements walks over a list, which begins with the first byte of raw.
func elements(raw []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for s := (&scanner{doc: raw, pos: 1}); ; {
			s.space()
			switch s.doc[s.pos] {
			case ']':
				return
			case ',':
				s.pos++
				continue
			}
			start := s.pos
			s.skip()
			if !yield(raw[start:s.pos:s.pos]) {
				return
			}
		}
	}
}
