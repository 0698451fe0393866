package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"weft/jetstream/event"
	"weft/jetstream/feed"
)

// A document is how a shape spells an event as a JSON object: its first member is the
// connection's cursor, and what follows is the same for every connection.
type document struct {
	head string // up to the cursor
	tail func(dst []byte, m *feed.Message) []byte
}

// The shapes that are documents.
var (
	frames      = document{`{"id":"`, appendFrame}
	cloudEvents = document{`{"weftcursor":"`, appendCloudEvent}
)

func documentOf(f Format) *document {
	if f.isCloudEvents() {
		return &cloudEvents
	}
	return &frames
}

// appendHead writes the beginning. A cursor is URL-safe, so it needs no escaping.
func (d *document) appendHead(dst []byte, id string) []byte {
	dst = append(dst, d.head...)
	dst = append(dst, id...)
	return append(dst, '"')
}

// headBytes is how much appendHead appends.
func (d *document) headBytes(id string) int { return len(d.head) + len(id) + 1 }

// element is an event as a WebSocket carries it in a format, without the message around it.
func element(f Format, m *feed.Message, id string) (head, rest []byte) {
	e := m.Frame(int(f), id, encode)
	if e.Head != nil {
		return messageBody(e.Head), e.Rest
	}
	return nil, messageBody(e.Rest)
}

// appendFrame writes what follows the cursor of a frame.
func appendFrame(dst []byte, m *feed.Message) []byte {
	dst = append(dst, `,"event":"`...)
	dst = append(dst, m.ID()...)
	dst = append(dst, `","subject":`...)
	dst = AppendString(dst, m.Subject)
	if typ := eventType(m); typ != "" {
		dst = append(dst, `,"type":`...)
		dst = AppendString(dst, typ)
	}
	if attributes := attributesOf(m); attributes != nil {
		dst = append(dst, `,"cloudevent":{`...)
		for i, a := range attributes {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = a.append(dst)
		}
		dst = append(dst, '}')
	}
	switch {
	case !utf8.Valid(m.Data):
		dst = appendBase64(dst, m.Data)
	case json.Valid(m.Data):
		dst = append(dst, `,"data":`...)
		dst = appendLine(dst, m.Data)
	default:
		dst = append(dst, `,"data":`...)
		dst = AppendString(dst, string(m.Data))
	}
	return append(dst, '}')
}

func appendBase64(dst, data []byte) []byte {
	dst = append(dst, `,"data_base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '"')
}

// encodePayload makes the element of a list that is a payload.
func encodePayload(m *feed.Message) []byte {
	switch {
	case !utf8.Valid(m.Data):
		dst := appendBase64(make([]byte, 0, 20+len(m.Data)*4/3), m.Data)
		dst[0] = '{' // in the place of the comma
		return append(dst, '}')
	case json.Valid(m.Data):
		return appendLine(nil, m.Data)
	}
	return AppendString(nil, string(m.Data))
}

// appendLine writes JSON without line breaks, which an SSE parser would take
// for the end of the field. In valid JSON they are only ever white space.
func appendLine(dst, data []byte) []byte {
	if !bytes.ContainsAny(data, "\r\n") {
		return append(dst, data...)
	}
	out := bytes.NewBuffer(dst)
	if err := json.Compact(out, data); err != nil {
		return append(dst, "null"...)
	}
	return out.Bytes()
}

// AppendStrings appends a JSON array of strings.
func AppendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, s)
	}
	return append(dst, ']')
}

// AppendString writes s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendString(dst []byte, s string) []byte {
	if plain(s) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...)
	}
	return append(dst, quoted...)
}

// plain reports whether s stands in JSON as it is.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// eventType returns m's type, or "" when it could break a frame or pass for one
// of Weft's own: such a type cannot be stored through Weft.
func eventType(m *feed.Message) string {
	if event.CheckType(m.Type) != nil {
		return ""
	}
	return m.Type
}
