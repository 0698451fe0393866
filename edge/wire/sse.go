package wire

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"

	"weft/jetstream/feed"
)

// A cached frame begins with a byte that is not sent: it says whether the
// payload follows as text or within a JSON frame, which holds the id again.
const (
	asText  = 't'
	asFrame = 'f'
)

func sseEvent(f Format, m *feed.Message, id string) (head, rest []byte) {
	encode := encodeSSE
	if f == SSEFrame {
		encode = encodeSSEFrame
	}
	full := m.Frame(int(f), encode)
	if id == "" {
		return nil, full[1:]
	}
	own := len(appendSSEHead(nil, m, m.ID(), full[0])) // what the shared bytes begin with
	return appendSSEHead(nil, m, id, full[0]), full[1+own:]
}

func encodeSSE(m *feed.Message) []byte {
	if !utf8.Valid(m.Data) || bytes.IndexByte(m.Data, '\r') >= 0 {
		return encodeSSEFrame(m)
	}
	dst := make([]byte, 0, 64+len(m.ID())+len(m.Type)+len(m.Data)+8*bytes.Count(m.Data, []byte("\n")))
	dst = append(dst, asText)
	dst = appendSSEHead(dst, m, m.ID(), asText)
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
	return append(dst, '\n')
}

func encodeSSEFrame(m *feed.Message) []byte {
	dst := append(make([]byte, 0, 128+2*len(m.ID())+len(m.Data)*4/3), asFrame)
	dst = appendSSEHead(dst, m, m.ID(), asFrame)
	dst = appendTail(dst, m)
	return append(dst, '\n', '\n')
}

// appendSSEHead writes what depends on the id. The type is in the head of a
// frame only because it must come before the data.
func appendSSEHead(dst []byte, m *feed.Message, id string, as byte) []byte {
	dst = appendField(dst, "id: ", id)
	if as == asText {
		return dst
	}
	if typ := eventType(m); typ != "" {
		dst = appendField(dst, "event: ", typ)
	}
	dst = append(dst, "data: "...)
	return appendHead(dst, id)
}

func sseControl(id, typ string, data []byte) []byte {
	dst := make([]byte, 0, len("id: \nevent: \ndata: \n\n")+len(id)+len(typ)+len(data))
	if id != "" {
		dst = appendField(dst, "id: ", id)
	}
	dst = appendField(dst, "event: ", typ)
	if len(data) == 0 {
		return append(dst, "data:\n\n"...)
	}
	dst = append(dst, "data: "...)
	dst = append(dst, data...)
	return append(dst, '\n', '\n')
}

// Retry spells the time after which a browser reconnects, in milliseconds.
func Retry(d time.Duration) []byte {
	return []byte("retry: " + strconv.FormatInt(d.Milliseconds(), 10) + "\n\n")
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, value...)
	return append(dst, '\n')
}
