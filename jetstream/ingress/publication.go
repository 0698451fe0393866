package ingress

import (
	"strconv"

	"weft/jetstream/event"
)

// appendEvent appends the publication of an event, with the text of its id.
func appendEvent(b []byte, e *event.Event, id string, prefix []byte, epoch, place uint64) []byte {
	headed := id != "" || len(e.Header) > 0
	if headed {
		b = append(b, 'H')
	}
	b = append(append(append(b, "PUB "...), e.Subject...), ' ')
	b = append(strconv.AppendUint(append(b, prefix...), epoch, 36), '.')
	b = append(strconv.AppendUint(b, place, 36), ' ')
	if headed {
		header := appendHeader(nil, e, id)
		b = append(strconv.AppendInt(b, int64(len(header)), 10), ' ')
		b = append(strconv.AppendInt(b, int64(len(header)+len(e.Data)), 10), "\r\n"...)
		b = append(b, header...)
	} else {
		b = append(strconv.AppendInt(b, int64(len(e.Data)), 10), "\r\n"...)
	}
	return append(append(b, e.Data...), "\r\n"...)
}

// appendHeader appends the headers of an event in their form on the wire (NATS
// ADR-4).
func appendHeader(b []byte, e *event.Event, id string) []byte {
	b = append(b, "NATS/1.0\r\n"...)
	for name, value := range e.Header {
		b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
	}
	if id != "" {
		b = append(append(append(b, event.HeaderMsgID+": "...), id...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}
