package wire

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"weft/bridge/cloudevent"
	"weft/jetstream/event"
	"weft/jetstream/feed"
)

const (
	// ceSource is the source of what has no other one (CloudEvents 1.0, section 3.1.1).
	ceSource = "/weft"
	// ceType is the type of an event without one, which CloudEvents does not know.
	ceType = "weft.event"
	// ceVersion is the version of all that is spelt here.
	ceVersion = "1.0"
)

// Attributes of Weft's own in each CloudEvent: nobody else's have these names.
const (
	weftCursor  = "weftcursor"
	weftEvent   = "weftevent"
	weftSubject = "weftsubject"
)

// An attribute is a context attribute of a CloudEvent.
type attribute struct{ name, value string }

func (a attribute) append(dst []byte) []byte {
	dst = append(append(append(dst, '"'), a.name...), `":`...) // letters and digits alone
	return AppendString(dst, a.value)
}

// The order of attributes; others follow by name.
var ceOrder = map[string]int{"source": 1, "id": 2, "time": 3, "subject": 4, "specversion": 5, "datacontenttype": 6, "dataschema": 7}

// Names that versions before 1.0 have for attributes.
var ceRenamed = map[string]string{
	"cloudeventsversion": "specversion", "eventid": "id", "eventtype": "type", "eventtime": "time",
	"contenttype": "datacontenttype", "schemaurl": "dataschema",
}

// attributesOf are the attributes of a stored event in binary mode but its type, each once
// and in one order, under the names of 1.0; nil when it is no CloudEvent: one has a version, an id, a
// source and a type.
func attributesOf(m *feed.Message) []attribute {
	if len(m.Headers()) == 0 || eventType(m) == "" {
		return nil
	}
	var list []attribute
	version := ""
	for name, value := range m.Headers().Attributes() {
		if name == "specversion" || name == "cloudeventsversion" {
			version = cmp.Or(version, value)
		}
		list = append(list, attribute{name, value})
	}
	if version == "" {
		return nil
	}
	for i := range list {
		if to, old := ceRenamed[list[i].name]; old && !strings.HasPrefix(version, "1.") {
			list[i].name = to
		}
		if list[i].name == "specversion" {
			list[i].value = ceVersion
		}
	}
	if t := m.Headers().Value(event.HeaderContentType); t != "" {
		list = slices.Insert(list, 0, attribute{"datacontenttype", t})
	}
	list = slices.DeleteFunc(list, func(a attribute) bool { return a.value == "" || a.name == "type" })
	slices.SortStableFunc(list, func(a, b attribute) int {
		return cmp.Or(cmp.Compare(orderOf(a), orderOf(b)), cmp.Compare(a.name, b.name))
	})
	list = slices.CompactFunc(list, func(a, b attribute) bool { return a.name == b.name })
	if len(list) < 2 || list[0].name != "source" || list[1].name != "id" {
		return nil
	}
	return list
}

func orderOf(a attribute) int { return cmp.Or(ceOrder[a.name], len(ceOrder)+1) }

// appendCloudEvent writes what follows the cursor of a CloudEvent.
func appendCloudEvent(dst []byte, m *feed.Message) []byte {
	dst = attribute{weftEvent, m.ID()}.append(append(dst, ','))
	dst = attribute{weftSubject, m.Subject}.append(append(dst, ','))
	attributes := attributesOf(m)
	if attributes == nil {
		if members := structured(m); members != nil {
			return appendMembers(dst, members)
		}
		attributes = []attribute{{"source", ceSource}, {"id", m.ID()}, {"specversion", ceVersion}}
		if t := m.Headers().Value(event.HeaderContentType); t != "" {
			attributes = append(attributes, attribute{"datacontenttype", t})
		}
	}
	dst = attribute{"type", cmp.Or(eventType(m), ceType)}.append(append(dst, ','))
	contentType := ""
	for _, a := range attributes {
		switch a.name {
		case weftCursor, weftEvent, weftSubject:
			continue
		case "datacontenttype":
			contentType = a.value
		}
		dst = a.append(append(dst, ','))
	}
	return append(appendData(dst, contentType, m.Data), '}')
}

// appendData writes the data of a CloudEvent: as JSON when its content type, or none, says
// that it is, as a string when it is text (JSON event format, section 3.1).
func appendData(dst []byte, contentType string, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	valid := utf8.Valid(data)
	isJSON := valid && (contentType == "" || cloudevent.IsJSON(contentType)) && json.Valid(data)
	if contentType == "" && !isJSON { // which no content type would mean
		t := "application/octet-stream"
		if valid {
			t = "text/plain"
		}
		dst = attribute{"datacontenttype", t}.append(append(dst, ','))
	}
	switch {
	case isJSON:
		return appendLine(append(dst, `,"data":`...), data)
	case valid:
		return AppendString(append(dst, `,"data":`...), string(data))
	}
	return appendBase64(dst, data)
}

// structured are the members of a CloudEvent that was stored in structured mode, as
// versions before this one did; nil when it is none.
func structured(m *feed.Message) map[string]json.RawMessage {
	if cloudevent.MediaType(m.Headers().Value(event.HeaderContentType)) != event.ContentTypeStructured || eventType(m) == "" || !utf8.Valid(m.Data) {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(m.Data, &members) != nil {
		return nil
	}
	for _, required := range []string{"id", "source", "type", "specversion"} {
		var s string
		if json.Unmarshal(members[required], &s) != nil || s == "" {
			return nil
		}
	}
	for _, ours := range []string{weftCursor, weftEvent, weftSubject} {
		delete(members, ours)
	}
	members["specversion"] = AppendString(nil, ceVersion)
	members["type"] = AppendString(nil, m.Type) // which a header may say
	return members
}

func appendMembers(dst []byte, members map[string]json.RawMessage) []byte {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		dst = append(AppendString(append(dst, ','), name), ':')
		dst = appendLine(dst, members[name])
	}
	return append(dst, '}')
}

// controlCloudEvent spells a frame of Weft's own as a CloudEvent.
func controlCloudEvent(id, typ string, data []byte) []byte {
	dst := append(make([]byte, 0, len(id)+len(typ)+len(data)+160), '{')
	if id != "" {
		dst = append(attribute{weftCursor, id}.append(dst), ',')
	}
	for i, a := range []attribute{{"specversion", ceVersion}, {"source", ceSource}, {"id", nextID()}, {"type", typ}} {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = a.append(dst)
	}
	if len(data) > 0 {
		dst = append(append(dst, `,"datacontenttype":"application/json","data":`...), data...)
	}
	return append(dst, '}')
}

var (
	idPrefix = func() string {
		var b [9]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
		return base64.RawURLEncoding.EncodeToString(b[:]) + "."
	}()
	ids atomic.Uint64
)

// nextID makes an id that no CloudEvent of this node has had. Events have cursors, which
// have no point in them.
func nextID() string { return idPrefix + strconv.FormatUint(ids.Add(1), 36) }
