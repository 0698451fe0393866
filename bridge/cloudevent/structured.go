package cloudevent

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"weft/bridge/pointer"
)

// maxAttributes bounds how many attributes an event has, so that one of many short ones does
// not take many times the memory of the document that is read.
const maxAttributes = 1000

// Members of a structured event that are no attributes.
const (
	memberData   = "data"
	memberBase64 = "data_base64"
)

// An Event is a structured event that was taken apart. Its parts may lie in the document.
type Event struct {
	Attributes
	All Extensions
	// ContentType is the media type of the data, application/json when the data is JSON and
	// the event does not say; "" when there is no data either.
	ContentType string
	// Data is the data as it is written, or the text of a string where the media type is
	// none of JSON, or what data_base64 stands for.
	Data []byte
	JSON bool // Data is known to be JSON
}

// Structured takes a structured event apart. Its errors wrap ErrEvent.
func Structured(doc []byte) (Event, error) {
	d, err := pointer.Parse(doc)
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	return Read(d)
}

// Read is Structured for a document that is known to be valid JSON.
func Read(doc pointer.Document) (Event, error) {
	members, ok := doc.Members()
	if !ok {
		return Event{}, fmt.Errorf("%w: it is no JSON object", ErrEvent)
	}
	s := structured{all: make(Extensions, 8)}
	for name, value := range members {
		if err := s.member(name, value); err != nil {
			return Event{}, err
		}
	}
	if err := s.flatten(); err != nil {
		return Event{}, err
	}
	a, err := s.all.Attributes()
	if err != nil {
		return Event{}, err
	}
	e := Event{Attributes: a, All: s.all}
	return e, s.payload(&e)
}

// Addressed reports whether a document that does not say what it is is a structured event for
// somebody: it has what every event must have, and the attribute user or topic.
func Addressed(doc pointer.Document) bool {
	members, ok := doc.Members()
	if !ok {
		return false
	}
	const needed = 5
	var there [needed]bool
	for name, value := range members {
		i := slices.Index([]string{"specversion", "id", "source", "type", "user"}, name)
		if name == "topic" {
			i = needed - 1
		}
		if i >= 0 {
			there[i] = i == needed-1 && there[i] || value.Raw()[0] != 'n'
		}
	}
	return !slices.Contains(there[:], false)
}

// Header puts into h what is stored of the event as headers, but for its type.
func (e *Event) Header(h map[string]string) {
	e.All.Header(h)
	if e.ContentType != "" {
		h["content-type"] = e.ContentType
	}
}

// structured is an event that is being read.
type structured struct {
	all          Extensions
	attributes   int               // members that are some, each time they are there
	spelt        map[string]string // how names were written that are not in lower case
	data, base64 []byte            // as they are written; nil: not there
	extensions   pointer.Document  // of version 0.1
	extended     bool
}

// member enters a member of the document. Of a name that is there twice the last one counts.
func (s *structured) member(name string, value pointer.Document) error {
	raw := value.Raw()
	switch name {
	case memberData:
		s.data = raw
		return nil
	case memberBase64:
		s.base64 = raw
		return nil
	case "extensions":
		if raw[0] == '{' {
			s.extensions, s.extended = value, true
			return nil
		}
	}
	if s.attributes++; s.attributes > maxAttributes {
		return fmt.Errorf("%w: more than %d attributes", ErrEvent, maxAttributes)
	}
	lower, err := s.lower(name)
	if err != nil {
		return err
	}
	if raw[0] == 'n' { // an attribute that is null is not set
		delete(s.all, lower)
		return nil
	}
	text, err := pointer.Text(raw)
	switch {
	case isText(lower) && raw[0] != '"':
		return fmt.Errorf("%w: attribute %s is no string", ErrEvent, name)
	case err != nil && (raw[0] == '"' || isAddressee(lower)):
		return fmt.Errorf("%w: attribute %s: %w", ErrEvent, name, err)
	case err != nil: // older versions have objects and lists
		text = string(raw)
	}
	s.all[lower] = text
	return nil
}

// isText reports whether an attribute that Weft reads is a string in every version.
func isText(name string) bool {
	switch name {
	case "specversion", "id", "source", "type", "cloudeventsversion", "eventid", "eventtype", "datacontenttype", "contenttype":
		return true
	}
	return false
}

func isAddressee(name string) bool { return name == "user" || name == "topic" }

// lower is the name of an attribute as it stands in a header. Some of version 0.1 have
// letters in upper case, and some producers other characters than letters and digits.
func (s *structured) lower(name string) (string, error) {
	if name == "" || len(name) > maxName {
		return "", fmt.Errorf("%w: the name of an attribute has %d bytes, want 1 to %d", ErrEvent, len(name), maxName)
	}
	upper := false
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		case 'A' <= c && c <= 'Z':
			upper = true
		default:
			return "", fmt.Errorf("%w: attribute %.80q: a name has lower-case letters and digits", ErrEvent, name)
		}
	}
	lower := name
	if upper {
		lower = strings.ToLower(name)
	}
	if before, known := s.spelt[lower]; known && before != name || !known && upper && s.has(lower) {
		return "", fmt.Errorf("%w: attribute %s is there in two spellings", ErrEvent, name)
	}
	if upper {
		if s.spelt == nil {
			s.spelt = map[string]string{}
		}
		s.spelt[lower] = name
	}
	return lower, nil
}

func (s *structured) has(name string) bool {
	_, ok := s.all[name]
	return ok
}

// flatten enters the extensions of version 0.1, which are members of an object of their own,
// and takes the object of a newer version, which has no such thing, for an attribute.
func (s *structured) flatten() error {
	if !s.extended {
		return nil
	}
	if s.all["cloudeventsversion"] == "" || s.all["specversion"] != "" {
		if !s.has("extensions") {
			s.all["extensions"] = string(s.extensions.Raw())
		}
		return nil
	}
	members, _ := s.extensions.Members()
	for name, value := range members {
		if lower := strings.ToLower(name); s.has(lower) || lower == memberData || lower == memberBase64 || lower == "extensions" {
			continue // the event's own
		}
		if err := s.member(name, value); err != nil {
			return err
		}
	}
	return nil
}

// payload makes the payload of the data.
func (s *structured) payload(e *Event) (err error) {
	e.ContentType = s.all.ContentType()
	if !printable(e.ContentType) {
		return fmt.Errorf("%w: attribute datacontenttype is no media type", ErrEvent)
	}
	encoded := s.base64
	if encoded != nil && encoded[0] == 'n' {
		encoded = nil
	}
	if encoded != nil && s.data != nil {
		return fmt.Errorf("%w: there are both data and data_base64", ErrEvent)
	}
	if encoded == nil && s.data != nil && s.data[0] == '"' && s.all["specversion"] == "0.3" && strings.EqualFold(s.all["datacontentencoding"], "base64") {
		encoded = s.data
	}
	switch {
	case encoded != nil:
		text, err := pointer.Text(encoded)
		if err != nil || encoded[0] != '"' {
			return fmt.Errorf("%w: data_base64 is no string", ErrEvent)
		}
		if e.Data, err = base64.StdEncoding.DecodeString(text); err != nil {
			return fmt.Errorf("%w: data_base64 is not base64", ErrEvent)
		}
	case s.data == nil:
		e.Data = []byte{}
	case e.ContentType == "":
		e.ContentType, e.Data, e.JSON = "application/json", s.data, true
	case s.data[0] == '"' && !IsJSON(e.ContentType):
		text, err := pointer.Text(s.data)
		if err != nil {
			return fmt.Errorf("%w: data: %w", ErrEvent, err)
		}
		e.Data = []byte(text)
	default:
		e.Data, e.JSON = s.data, true
	}
	return nil
}

// maxContentType bounds the media type of the data, in bytes.
const maxContentType = 512

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return len(s) <= maxContentType
}

// IsJSON reports whether a media type is one of JSON: its subtype is json, or ends in +json
// (JSON event format, section 3.1).
func IsJSON(contentType string) bool {
	media := MediaType(contentType)
	return strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json")
}

// MediaType is the type of a content-type header without its parameters, in lower case.
func MediaType(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(media))
}
