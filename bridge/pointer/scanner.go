package pointer

import "bytes"

// scanner walks a document that is known to be valid, so that it need not look
// at what it skips more closely than to find its end.
type scanner struct {
	doc   []byte
	pos   int
	found [][]byte
}

func (s *scanner) space() {
	for s.pos < len(s.doc) {
		switch s.doc[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value reads the value that begins at pos, for the pointers at n or below.
func (s *scanner) value(n *node) {
	start := s.pos
	switch {
	case len(n.children) == 0:
		s.skip()
	case s.doc[s.pos] == '{':
		s.object(n)
	case s.doc[s.pos] == '[':
		s.array(n)
	default:
		s.skip()
	}
	for _, slot := range n.slots {
		s.found[slot] = s.doc[start:s.pos:s.pos]
	}
}

func (s *scanner) object(n *node) {
	s.pos++ // {
	for {
		s.space()
		switch s.doc[s.pos] {
		case '}':
			s.pos++
			return
		case ',':
			s.pos++
			continue
		}
		key, escaped := s.text()
		s.space()
		s.pos++ // :
		s.space()
		if next := n.named(key, escaped); next != nil {
			s.forget(next) // an earlier member of the same name is void
			s.value(next)
		} else {
			s.skip()
		}
	}
}

func (s *scanner) array(n *node) {
	s.pos++ // [
	for i := 0; ; {
		s.space()
		switch s.doc[s.pos] {
		case ']':
			s.pos++
			return
		case ',':
			s.pos++
			continue
		}
		if next := n.at(i); next != nil {
			s.value(next)
		} else {
			s.skip()
		}
		i++
	}
}

func (n *node) named(key []byte, escaped bool) *node {
	if escaped {
		text, err := unquote(key)
		if err != nil {
			return nil
		}
		key = []byte(text)
	} else {
		key = key[1 : len(key)-1]
	}
	for i := range n.children {
		if n.children[i].name == string(key) {
			return n.children[i].node
		}
	}
	return nil
}

func (n *node) at(index int) *node {
	for i := range n.children {
		if n.children[i].index == index {
			return n.children[i].node
		}
	}
	return nil
}

func (s *scanner) forget(n *node) {
	for _, slot := range n.slots {
		s.found[slot] = nil
	}
	for i := range n.children {
		s.forget(n.children[i].node)
	}
}

// text reads a string with its quotes and reports whether it holds escapes.
func (s *scanner) text() (raw []byte, escaped bool) {
	start := s.pos
	if end := start + 1 + bytes.IndexByte(s.doc[start+1:], '"'); bytes.IndexByte(s.doc[start:end], '\\') < 0 { // by far the most
		s.pos = end + 1
		return s.doc[start:s.pos], false
	}
	for s.pos++; ; s.pos++ {
		switch s.doc[s.pos] {
		case '\\':
			escaped = true
			s.pos++
		case '"':
			s.pos++
			return s.doc[start:s.pos], escaped
		}
	}
}

// skip passes over one value.
func (s *scanner) skip() {
	switch s.doc[s.pos] {
	case '"':
		s.text()
		return
	case '{', '[':
	default:
		for s.pos < len(s.doc) {
			switch s.doc[s.pos] {
			case ',', ']', '}', ' ', '\t', '\n', '\r':
				return
			}
			s.pos++
		}
		return
	}
	for depth := 0; ; {
		switch s.doc[s.pos] {
		case '"':
			s.text()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.pos++
		if depth == 0 {
			return
		}
	}
}
