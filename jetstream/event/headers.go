package event

import (
	"bytes"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"weft/bridge/cloudevent"
)

// Headers are what a publisher has said of an event beside its payload, one line for each
// in the order in which they came, without those of the stream, of NATS and of Weft. The
// zero value is none. They are only read, and may be by many at once.
type Headers []byte

// maxAttributeName bounds the name of a CloudEvents attribute.
const maxAttributeName = 100

// All are the headers in their order; a name may come more than once.
func (h Headers) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for rest := []byte(h); len(rest) > 0; {
			var line []byte
			line, rest, _ = bytes.Cut(rest, []byte("\n"))
			if name, value, ok := bytes.Cut(line, []byte(":")); ok && !yield(name, value) {
				return
			}
		}
	}
}

// Value is the first value of a header, "" for none. The name may be in any case.
func (h Headers) Value(name string) string {
	for n, value := range h.All() {
		if len(n) == len(name) && strings.EqualFold(string(n), name) {
			return string(value)
		}
	}
	return ""
}

// Attributes are the CloudEvents attributes among the headers: names in lower case,
// without ce-, and values decoded, but not checked. What cannot be the name of one is
// left out. A name may come more than once, of which the first counts.
func (h Headers) Attributes() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for n, value := range h.All() {
			if name, ok := attributeName(n); ok && !yield(name, cloudevent.Decoded(string(value))) {
				return
			}
		}
	}
}

// attributeName is the name of the attribute that a header holds. CloudEvents allows
// letters and digits, and reserves data.
func attributeName(header []byte) (name string, ok bool) {
	n := len(cloudevent.HTTPPrefix)
	if len(header) <= n || len(header) > n+maxAttributeName || !strings.EqualFold(string(header[:n]), cloudevent.HTTPPrefix) {
		return "", false
	}
	name = strings.ToLower(string(header[n:]))
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", false
		}
	}
	return name, name != "data"
}

// own reports whether a header is the publisher's, and says something of the event.
func own(name []byte) bool {
	return len(name) > 0 && string(name) != HeaderSource &&
		(len(name) < 5 || !bytes.EqualFold(name[:5], []byte("nats-")))
}

// lineBytes is what a header takes.
func lineBytes(name, value int) int { return name + value + 2 }

func appendLine[T string | []byte](dst []byte, name, value T) []byte {
	dst = append(append(dst, name...), ':')
	return append(append(dst, value...), '\n')
}

// HeaderBytes is how much AppendHeaders appends.
func (c *Copy) HeaderBytes() int { return c.headerBytes }

// AppendHeaders appends the Headers of a copy.
func (c *Copy) AppendHeaders(dst []byte) []byte {
	if c.headerBytes > 0 {
		scanHeader(c.header, func(name, value []byte) {
			if own(name) {
				dst = appendLine(dst, name, value)
			}
		})
	}
	return dst
}

// Headers are those of a message of the stream, sorted by name.
func (s *Stored) Headers() Headers {
	n := 0
	for name, values := range s.Header {
		if own([]byte(name)) {
			for _, value := range values {
				n += lineBytes(len(name), len(value))
			}
		}
	}
	if n == 0 {
		return nil
	}
	return appendHeaders(make(Headers, 0, n), s.Header)
}

func appendHeaders(dst Headers, h nats.Header) Headers {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			if own([]byte(name)) && !strings.ContainsAny(name, ":\n") && !strings.Contains(value, "\n") {
				dst = appendLine(dst, name, value)
			}
		}
	}
	return dst
}
