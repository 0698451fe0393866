package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"weft/jetstream/event"
	"weft/jetstream/feed"
)

// JSON spells an event as an element of a long poll's list: the frame that a
// WebSocket carries. The results are as those of Format.Event.
func JSON(m *feed.Message, id string) (head, rest []byte) {
	body := messageBody(m.Frame(int(WebSocket), encodeWebSocket))
	if id == "" {
		return nil, body
	}
	return appendHead(nil, id), body[len(jsonHead)+len(m.ID())+1:]
}

const jsonHead = `{"id":"`

// appendHead writes the beginning of a JSON frame, which holds the id. A cursor
// is URL-safe, so it needs no escaping.
func appendHead(dst []byte, id string) []byte {
	dst = append(dst, jsonHead...)
	dst = append(dst, id...)
	return append(dst, '"')
}

// appendTail writes what follows the id: the same for every connection.
func appendTail(dst []byte, m *feed.Message) []byte {
	dst = append(dst, `,"subject":`...)
	dst = AppendString(dst, m.Subject)
	if typ := eventType(m); typ != "" {
		dst = append(dst, `,"type":`...)
		dst = AppendString(dst, typ)
	}
	switch {
	case !utf8.Valid(m.Data):
		dst = append(dst, `,"data_base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, m.Data)
		dst = append(dst, '"')
	case json.Valid(m.Data):
		dst = append(dst, `,"data":`...)
		dst = appendLine(dst, m.Data)
	default:
		dst = append(dst, `,"data":`...)
		dst = AppendString(dst, string(m.Data))
	}
	return append(dst, '}')
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
