package wire

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"

	"weft/jetstream/feed"
)

// The kinds of a block: what stands between its id and what does not depend on that.
const (
	asText     = 't' // nothing: the payload follows
	asTyped    = 'e' // the type, and a frame that holds the id again
	asDocument = 'd' // a document that holds the id again
)

func sseEvent(f Format, m *feed.Message, id string) feed.Encoding {
	if alone(m, id) {
		id = idOr(m, id)
		switch {
		case f != SSE:
			return encodeSSEDocument(f, m, id, asDocument)
		case !utf8.Valid(m.Data) || bytes.IndexByte(m.Data, '\r') >= 0:
			return encodeSSEDocument(f, m, id, asTyped)
		}
		return encodeSSEText(m, id)
	}
	plain := m.Frame(int(f), "", encode)
	room := len("id: \n") + max(len(id), len(m.ID()))
	if plain.Kind != asText {
		room = 2*room + 32
	}
	dst := make([]byte, 0, room)
	own := len(appendSSEHead(dst, f, m, m.ID(), plain.Kind)) // what the shared bytes begin with
	return feed.Encoding{Head: appendSSEHead(dst, f, m, id, plain.Kind), Rest: plain.Rest[own:]}
}

func encodeSSEText(m *feed.Message, id string) feed.Encoding {
	dst := make([]byte, 0, 64+len(id)+len(m.Type)+len(m.Data)+8*bytes.Count(m.Data, []byte("\n")))
	dst = appendSSEHead(dst, SSE, m, id, asText)
	if typ := eventType(m); typ != "" {
		dst = appendField(dst, "event: ", typ)
	}
	// Each LF begins a new data line; the parser joins the lines again with LF.
	for more, rest := true, m.Data; more; {
		var line []byte
		line, rest, more = bytes.Cut(rest, []byte("\n"))
		dst = append(dst, "data: "...)
		dst = append(dst, line...)
		dst = append(dst, '\n')
	}
	return feed.Encoding{Rest: append(dst, '\n'), Kind: asText}
}

func encodeSSEDocument(f Format, m *feed.Message, id string, as byte) feed.Encoding {
	dst := make([]byte, 0, 160+2*len(id)+len(m.ID())+2*len(m.Headers())+len(m.Data)*4/3)
	dst = appendSSEHead(dst, f, m, id, as)
	dst = documentOf(f).tail(dst, m)
	return feed.Encoding{Rest: append(dst, '\n', '\n'), Kind: as}
}

// appendSSEHead writes what depends on the id. The type is in the head of a
// frame only because it must come before the data.
func appendSSEHead(dst []byte, f Format, m *feed.Message, id string, as byte) []byte {
	dst = appendField(dst, "id: ", id)
	if as == asText {
		return dst
	}
	if typ := eventType(m); as == asTyped && typ != "" {
		dst = appendField(dst, "event: ", typ)
	}
	dst = append(dst, "data: "...)
	return documentOf(f).appendHead(dst, id)
}

// sseControl spells a block. after 0, id "" and typ "" leave out their lines. It always
// has data: some clients hand on a block without any as a message that cannot be read.
func sseControl(after time.Duration, id, typ string, data []byte) []byte {
	dst := make([]byte, 0, len("retry: 60000\nid: \nevent: \ndata: {}\n\n")+len(id)+len(typ)+len(data))
	if after > 0 {
		dst = appendField(dst, "retry: ", strconv.FormatInt(after.Milliseconds(), 10))
	}
	if id != "" {
		dst = appendField(dst, "id: ", id)
	}
	if typ != "" {
		dst = appendField(dst, "event: ", typ)
	}
	if len(data) == 0 {
		return append(dst, "data: {}\n\n"...)
	}
	dst = append(dst, "data: "...)
	dst = append(dst, data...)
	return append(dst, '\n', '\n')
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, value...)
	return append(dst, '\n')
}
