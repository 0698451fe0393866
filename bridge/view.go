package bridge

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"weft/bridge/cloudevent"
	"weft/bridge/pointer"
	"weft/jetstream/event"
)

// A view is one record as the templates of a rule look at it.
type view struct {
	rule       *Rule
	rec        *Record
	found      [][]byte              // raw values, by position in rule.pointers
	attributes cloudevent.Extensions // of an event in binary form, else nil
	header     map[string]string     // what the events carry on
	typed      bool                  // a CloudEvent, which has a type of its own
	own        cloudevent.Attributes // of a CloudEvent
	err        error                 // why a value that is there has no text
	data       []byte                // the payload
	json       bool                  // which has been found to be JSON
}

func (r *Rule) view(rec *Record) (*view, error) {
	v := &view{rule: r, rec: rec, data: rec.Value}
	if len(rec.Headers) == 0 { // by far the most
		return v, v.plain()
	}
	contentType, _ := rec.first("content-type")
	_, versioned := rec.first(rec.prefix() + "specversion")
	if !versioned {
		_, versioned = rec.first(rec.prefix() + "cloudEventsVersion")
	}
	v.header = map[string]string{}
	CarryOn(v.header, event.HeaderContentType, contentType)
	if trace, ok := rec.first(event.HeaderTraceparent); ok {
		CarryOn(v.header, event.HeaderTraceparent, trace)
	}
	switch form := cloudevent.FormOf(contentType, versioned); form {
	case cloudevent.None:
		return v, v.plain()
	case cloudevent.InBody:
		return v, v.structured()
	case cloudevent.Binary:
		return v, v.binary()
	case cloudevent.Batch, cloudevent.Unknown:
		return nil, &Refusal{CauseBadEvent, fmt.Errorf("%w: %.80q is not taken here", cloudevent.ErrEvent, contentType)}
	default:
		panic("unknown form of a CloudEvent")
	}
}

func (v *view) plain() error {
	if v.rec.Value == nil {
		return ErrTombstone
	}
	if v.rule.plain.Len() == 0 {
		return nil
	}
	v.found = make([][]byte, v.rule.plain.Len())
	if err := v.rule.plain.Find(v.rec.Value, v.found); err != nil {
		return &Refusal{CauseNotJSON, err}
	}
	v.json = true
	return nil
}

func (v *view) structured() error {
	if v.rec.Value == nil {
		return ErrTombstone
	}
	doc, err := pointer.Parse(v.rec.Value)
	if err != nil {
		return &Refusal{CauseNotJSON, err}
	}
	e, err := cloudevent.Read(doc)
	if err != nil {
		return &Refusal{CauseBadEvent, err}
	}
	v.found = make([][]byte, v.rule.plain.Len())
	v.rule.plain.FindIn(doc, v.found)
	v.typed, v.own, v.data, v.json = true, e.Attributes, e.Data, e.JSON
	// The document's own content type is not that of the data.
	delete(v.header, event.HeaderContentType)
	e.Header(v.header)
	return nil
}

func (v *view) binary() error {
	v.attributes = cloudevent.Extensions{}
	prefix := v.rec.prefix()
	for _, h := range v.rec.Headers {
		if len(h.Name) > len(prefix) && strings.EqualFold(h.Name[:len(prefix)], prefix) {
			value := string(h.Value)
			if v.rec.Request {
				value = cloudevent.Decoded(value)
			}
			if err := v.attributes.Add(h.Name[len(prefix):], value); err != nil {
				return &Refusal{CauseBadEvent, err}
			}
		}
	}
	a, err := v.attributes.Attributes()
	if err != nil {
		return &Refusal{CauseBadEvent, err}
	}
	v.typed, v.own = true, a
	v.attributes.Header(v.header)
	if v.header[event.HeaderContentType] == "" {
		CarryOn(v.header, event.HeaderContentType, v.attributes.ContentType())
	}
	v.found = make([][]byte, len(v.rule.pointers))
	if v.rule.data.Len() == 0 || len(v.rec.Value) == 0 { // an event need not have data
		return nil
	}
	found := make([][]byte, v.rule.data.Len())
	if err := v.rule.data.Find(v.rec.Value, found); err != nil {
		return &Refusal{CauseNotJSON, err}
	}
	v.json = true
	for i, at := range v.rule.under {
		if at >= 0 {
			v.found[i] = found[at]
		}
	}
	return nil
}

// lookup gives a template the values of a placeholder. What is there but has no
// text is kept in v.err, which the caller must look at.
func (v *view) lookup(name string) []string {
	switch {
	case name == "key":
		if v.rec.Key == nil {
			return nil
		}
		return v.texts(name, string(v.rec.Key))
	case name[0] != '/':
		return v.texts(name, v.rec.header(strings.TrimPrefix(name, "header:"))...)
	}
	i := v.rule.position(name)
	if v.attributes != nil && v.rule.under[i] < 0 {
		if value, ok := v.attributes[name[1:]]; ok {
			return []string{value}
		}
		return nil
	}
	texts, err := pointer.Texts(v.found[i])
	if err != nil && v.err == nil {
		v.err = fmt.Errorf("{%s}: %w", name, err)
	}
	return texts
}

// errBinary is wrapped for a key or a header that is no text: no browser could
// be of that user.
var errBinary = errors.New("holds bytes and no text in UTF-8; is it Avro, Protobuf or a binary number?")

// texts are values that come as bytes: serializers of numbers and of schemas
// write them with what is no UTF-8, or with control characters.
func (v *view) texts(name string, values ...string) []string {
	for _, s := range values {
		if v.err == nil && (!utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)) {
			v.err = fmt.Errorf("{%s}: %w", name, errBinary)
		}
	}
	return values
}
