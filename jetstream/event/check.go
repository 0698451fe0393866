package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"weft/bridge/cloudevent"
	"weft/jetstream/subject"
)

const (
	// MaxBytes is the greatest payload of an event.
	MaxBytes = 1 << 20
	// MaxHeaderBytes bounds the headers of an event, all together.
	MaxHeaderBytes = 32 << 10
	// MaxPayload is what the server accepts: payload and headers.
	MaxPayload = MaxBytes + 64<<10
	// MaxTypeBytes is the greatest length of an event's type.
	MaxTypeBytes = 200
)

var (
	// ErrType is wrapped by errors about an event's type.
	ErrType = errors.New("bad event type")
	// ErrTooLarge is wrapped by errors about the size of an event.
	ErrTooLarge = errors.New("event too large")
	// ErrJSON is wrapped by errors about a payload that is not the JSON that its
	// content type says it is.
	ErrJSON = errors.New("not JSON")
)

// Check reports why an event cannot be stored: subject.ErrSubject, ErrType,
// ErrTooLarge, ErrJSON, or something about a header. It is the one limit of all
// ways in: whatever they take is passed through it, and what passes is delivered.
//
// A payload is held to what its content type says: application/json and
// whatever ends in +json is valid UTF-8 and one JSON value. An empty payload is
// none, except of a structured CloudEvent.
func (e *Event) Check() error {
	if err := subject.Check(e.Subject); err != nil {
		return err
	}
	if err := CheckType(e.Type); err != nil {
		return err
	}
	if len(e.Data) > MaxBytes {
		return fmt.Errorf("%w: %d bytes of payload, at most %d", ErrTooLarge, len(e.Data), MaxBytes)
	}
	if len(e.Header) == 0 {
		return nil
	}
	return e.checkHeader()
}

// checkHeader checks the headers, and the payload for what they say of it.
func (e *Event) checkHeader() error {
	size, media := 0, ""
	for k, v := range e.Header {
		switch {
		case !headerName(k) || strings.ContainsAny(v, "\r\n"):
			return fmt.Errorf("bad header %.80q", k)
		case len(k) >= 5 && strings.EqualFold(k[:5], "nats-"):
			return fmt.Errorf("header %.80q is reserved", k)
		case strings.EqualFold(k, HeaderType):
			if err := CheckType(cloudevent.Decoded(v)); err != nil {
				return err
			}
		case strings.EqualFold(k, HeaderContentType) && media != ContentTypeStructured:
			if m := cloudevent.MediaType(v); isJSONMedia(m) {
				media = m
			}
		}
		size += len(k) + len(v) + 4
	}
	if size > MaxHeaderBytes {
		return fmt.Errorf("%w: %d bytes of headers, at most %d", ErrTooLarge, size, MaxHeaderBytes)
	}
	if media == "" || len(e.Data) == 0 && media != ContentTypeStructured {
		return nil
	}
	if e.JSON = e.JSON || utf8.Valid(e.Data) && json.Valid(e.Data); !e.JSON {
		return fmt.Errorf("%w, which %.80s has to be", ErrJSON, media)
	}
	if media != ContentTypeStructured {
		return nil
	}
	return CheckType(kindOf(e.sent, e.Data))
}

// sent is the value of a header as it will be sent.
func (e *Event) sent(name string) string {
	if v, ok := e.Header[name]; ok || name != HeaderType {
		return v
	}
	return cloudevent.Encoded(e.Type)
}

// isJSONMedia reports whether a media type is one of JSON (RFC 8259, section 11,
// and RFC 6839, section 3.1).
func isJSONMedia(media string) bool {
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

func headerName(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return true
}

// CheckType reports why t cannot be an event's type. The empty type is fine.
func CheckType(t string) error {
	switch {
	case len(t) > MaxTypeBytes:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrType, len(t), MaxTypeBytes)
	case strings.HasPrefix(t, "weft."):
		return fmt.Errorf("%w: types that begin with weft. are reserved", ErrType)
	case !utf8.ValidString(t):
		return fmt.Errorf("%w: not UTF-8", ErrType)
	}
	for _, r := range t {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("%w: holds a control character", ErrType)
		}
	}
	return nil
}
