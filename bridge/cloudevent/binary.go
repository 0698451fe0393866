package cloudevent

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Prefixes of the headers that carry attributes in binary form.
const (
	HTTPPrefix  = "ce-" // HTTP protocol binding, section 3.1.3; that of NATS has the same
	KafkaPrefix = "ce_" // Kafka protocol binding, section 3.2.4
)

// maxName is the greatest length of an attribute's name, in bytes.
const maxName = 100

// Extensions holds all attributes of an event under their names in lower case, the required
// ones too. Numbers and booleans are there as JSON has them.
type Extensions map[string]string

// Add enters the attribute of a header without its prefix. A name that no
// version of CloudEvents allows (other characters than letters and digits, or data) is
// left out; a value that is not UTF-8, or that holds a control character, is an error.
func (x Extensions) Add(name, value string) error {
	name = strings.ToLower(name)
	if name == "" || len(name) > maxName || name == memberData {
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
	if strings.ContainsFunc(value, unicode.IsControl) {
		return fmt.Errorf("%w: attribute %s holds a control character", ErrEvent, name)
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

// Names of attributes in older versions, and what they are called in 1.0; "": its form
// says it already.
var (
	names01 = map[string]string{"cloudeventsversion": "", "eventid": "id", "eventtype": "type", "eventtime": "time",
		"schemaurl": "dataschema", "contenttype": "datacontenttype"}
	names02 = map[string]string{"schemaurl": "dataschema", "contenttype": "datacontenttype"}
	names03 = map[string]string{"schemaurl": "dataschema", "datacontentencoding": ""}
)

// newer is what the attributes are called in version 1.0 that have another name in the
// version of the event.
func (x Extensions) newer() map[string]string {
	switch x["specversion"] {
	case "":
		return names01
	case "0.1", "0.2":
		return names02
	case "0.3":
		return names03
	}
	return nil
}

// Header puts the attributes into h as headers, in the form of version 1.0: ce-<name> and
// their values Encoded. The type is left out, which an event has of its own, and so is the
// media type of the data, which is the header content-type.
func (x Extensions) Header(h map[string]string) {
	renamed := x.newer()
	for name, value := range x {
		if newer, ok := renamed[name]; ok {
			if newer == "" {
				continue
			}
			if _, taken := x[newer]; !taken {
				name = newer
			}
		}
		switch name {
		case "type", "datacontenttype", "specversion":
		default:
			h[HTTPPrefix+name] = Encoded(value)
		}
	}
	h[HTTPPrefix+"specversion"] = "1.0"
}

// ContentType is the media type of the data as the attributes say; "" when they do not.
func (x Extensions) ContentType() string {
	if t := x["datacontenttype"]; t != "" || x.newer()["contenttype"] == "" {
		return t
	}
	return x["contenttype"]
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

// HasHTTP reports whether h says that its message is an event in binary form.
func HasHTTP(h http.Header) bool {
	return h.Get(HTTPPrefix+"specversion") != "" || h.Get(HTTPPrefix+"cloudeventsversion") != ""
}
