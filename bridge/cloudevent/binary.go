package cloudevent

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Prefixes of the headers that carry attributes in binary form.
const (
	HTTPPrefix  = "ce-" // HTTP protocol binding, section 3.1.3
	KafkaPrefix = "ce_" // Kafka protocol binding, section 3.2.4
)

// Extensions holds all attributes of an event in binary form under their names
// in lower case, the required ones too.
type Extensions map[string]string

// Add enters the attribute of a header without its prefix. A name that no
// version of CloudEvents allows (other characters than letters and digits) is
// left out; a value that is not UTF-8 is an error.
func (x Extensions) Add(name, value string) error {
	name = strings.ToLower(name)
	if name == "" || len(name) > 100 {
		return nil
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return nil
		}
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("%w: attribute %s is not UTF-8", ErrEvent, name)
	}
	x[name] = value
	return nil
}

// Attributes reads the attributes that Weft knows, and says what is wrong.
func (x Extensions) Attributes() (Attributes, error) {
	version := x["specversion"]
	a := Attributes{ID: x["id"], Source: x["source"], Type: x["type"], User: x["user"], Topic: x["topic"]}
	if version == "" && x["cloudeventsversion"] != "" {
		version, a.ID, a.Type = x["cloudeventsversion"], x["eventid"], x["eventtype"]
	}
	return a, check(version, a)
}

// FromHTTP reads the attributes out of HTTP headers; values are percent-decoded
// (HTTP protocol binding, section 3.1.3.2) where they are well encoded and taken
// as they are where not.
func FromHTTP(h http.Header) (Extensions, error) {
	x := Extensions{}
	for name, values := range h {
		if len(name) <= len(HTTPPrefix) || !strings.EqualFold(name[:len(HTTPPrefix)], HTTPPrefix) {
			continue
		}
		if len(values) != 1 {
			return nil, fmt.Errorf("%w: header %.80s is there %d times", ErrEvent, name, len(values))
		}
		if err := x.Add(name[len(HTTPPrefix):], Decoded(values[0])); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// Decoded is the value of an attribute that stands in an HTTP header.
func Decoded(value string) string {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = unquoted(value[1 : n-1])
	}
	if decoded, err := url.PathUnescape(value); err == nil {
		value = decoded
	}
	return value
}

// HasHTTP reports whether h says that its message is an event in binary form.
func HasHTTP(h http.Header) bool {
	return h.Get(HTTPPrefix+"specversion") != "" || h.Get(HTTPPrefix+"cloudeventsversion") != ""
}

// unquoted undoes the escapes of a quoted string (RFC 9110, section 5.6.4),
// which a receiver must do before it decodes percent signs.
func unquoted(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
