// Package pointer finds the values of a few JSON Pointers (RFC 6901) in a JSON
// document in one pass and without building the document in memory.
//
// A document must be valid UTF-8 and valid JSON (RFC 8259) from its first byte
// to its last, also where no pointer leads. Values are handed out as they are
// written, so that a number keeps every digit: a 64-bit id never passes through
// a float. Of a key that occurs twice in an object the last one counts, as with
// encoding/json.
package pointer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	// ErrJSON is returned for a document that is not valid UTF-8 and valid JSON.
	ErrJSON = errors.New("not valid JSON")
	// ErrPointer is wrapped by errors about a pointer that is not RFC 6901.
	ErrPointer = errors.New("bad JSON pointer")

	errSlash = errors.New("does not begin with /")
	errTilde = errors.New("~ must be followed by 0 or 1")
)

// A Set is a number of pointers that are looked for together. It is immutable
// and may be used concurrently.
type Set struct {
	root node
	size int
}

// A node is one step of the pointers in a set. Sets are small, so children are
// searched in a row.
type node struct {
	children []child
	slots    []int // the pointers that end here
}

type child struct {
	name  string // unescaped reference token
	index int    // the token as an array index, -1 when it is none
	node  *node
}

// NewSet compiles pointers. The value of pointers[i] is found at position i.
func NewSet(pointers ...string) (*Set, error) {
	s := &Set{size: len(pointers)}
	for slot, p := range pointers {
		tokens, err := Split(p)
		if err != nil {
			return nil, err
		}
		n := &s.root
		for _, t := range tokens {
			n = n.step(t)
		}
		n.slots = append(n.slots, slot)
	}
	return s, nil
}

// Check says what is wrong with a pointer, in words that follow "is no JSON Pointer: ".
func Check(p string) error {
	if p != "" && p[0] != '/' {
		return errSlash
	}
	for i := range len(p) {
		if p[i] == '~' && (i+1 == len(p) || p[i+1] != '0' && p[i+1] != '1') {
			return errTilde
		}
	}
	return nil
}

// Split returns the unescaped reference tokens of a pointer.
func Split(p string) ([]string, error) {
	if err := Check(p); err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrPointer, p, err)
	}
	if p == "" {
		return nil, nil
	}
	tokens := strings.Split(p[1:], "/")
	for i, t := range tokens {
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
	}
	return tokens, nil
}

func (n *node) step(token string) *node {
	for _, c := range n.children {
		if c.name == token {
			return c.node
		}
	}
	next := &node{}
	n.children = append(n.children, child{name: token, index: index(token), node: next})
	return next
}

// index is a token as the index of a list, -1 when it is none.
func index(token string) int {
	if i, err := strconv.Atoi(token); err == nil && i >= 0 && strconv.Itoa(i) == token {
		return i
	}
	return -1
}

// Len is the number of pointers in the set.
func (s *Set) Len() int { return s.size }

// Find looks all pointers up in doc and puts their raw values, parts of doc,
// into found, which must be as long as the set; nil where there is none. It
// fails with ErrJSON.
func (s *Set) Find(doc []byte, found [][]byte) error {
	d, err := Parse(doc)
	if err != nil {
		clear(found)
		return err
	}
	s.FindIn(d, found)
	return nil
}

// FindIn is Find for a document that is known to be valid.
func (s *Set) FindIn(d Document, found [][]byte) {
	clear(found)
	sc := scanner{doc: d.raw, found: found}
	sc.space()
	sc.value(&s.root)
}
