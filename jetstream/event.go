package jetstream

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"

	"weft/jetstream/subject"
)

const (
	// MaxEventBytes is the greatest payload of an event.
	MaxEventBytes = 1 << 20
	// MaxHeaderBytes bounds the headers of an event, all together.
	MaxHeaderBytes = 32 << 10
	// maxPayload is what the server accepts: payload and headers.
	maxPayload = MaxEventBytes + 64<<10
	// MaxTypeBytes is the greatest length of an event's type.
	MaxTypeBytes = 200
	// maxMsgID is the length above which a message id is hashed.
	maxMsgID = 200
)

// Names of the headers that Weft itself reads and writes. CloudEvents
// attributes travel in binary mode of the NATS protocol binding (CloudEvents
// 1.0, "ce-" followed by the attribute's name).
const (
	HeaderType        = "ce-type"
	HeaderContentType = "content-type"
	HeaderTraceparent = "traceparent"
	HeaderMsgID       = "Nats-Msg-Id"
)

// ContentTypeStructured is the media type of a structured CloudEvent.
const ContentTypeStructured = "application/cloudevents+json"

var (
	// ErrType is wrapped by errors about an event's type.
	ErrType = errors.New("bad event type")
	// ErrTooLarge is wrapped by errors about the size of an event.
	ErrTooLarge = errors.New("event too large")
)

// An Event is one message for one subject, as a source hands it to the store.
type Event struct {
	// Subject is canonical: user.<token> or topic.<token>….
	Subject string
	// Type is the event's type, "" for none. It travels as the header ce-type
	// unless Header has it already.
	Type string
	// Header holds further headers: CloudEvents attributes as ce-<name>,
	// content-type, traceparent. Names are sent as they are written here.
	// Nats-* is refused. Events may share one: it is only read.
	Header map[string]string
	// Data is the payload, passed on byte for byte.
	Data []byte
	// ID is the message id under which the stream drops duplicates within its
	// window; "" for none. Make it with MsgID.
	ID string
	// Source is the way in, and Made when the event was made upstream, by the
	// clock there; zero: that is not known. Both only say how old it is when it
	// is delivered.
	Source Source
	Made   time.Time
}

// Check reports why an event cannot be stored: subject.ErrSubject, ErrType or
// ErrTooLarge.
func (e *Event) Check() error {
	if err := subject.Check(e.Subject); err != nil {
		return err
	}
	if err := CheckType(e.Type); err != nil {
		return err
	}
	if len(e.Data) > MaxEventBytes {
		return fmt.Errorf("%w: %d bytes of payload, at most %d", ErrTooLarge, len(e.Data), MaxEventBytes)
	}
	size := 0
	for k, v := range e.Header {
		if !headerName(k) || strings.ContainsAny(v, "\r\n") {
			return fmt.Errorf("bad header %.80q", k)
		}
		if len(k) >= 5 && strings.EqualFold(k[:5], "nats-") {
			return fmt.Errorf("header %.80q is reserved", k)
		}
		size += len(k) + len(v) + 4
	}
	if size > MaxHeaderBytes {
		return fmt.Errorf("%w: %d bytes of headers, at most %d", ErrTooLarge, size, MaxHeaderBytes)
	}
	return nil
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

// MsgID makes a message id of its parts, joined by "/"; over 200 bytes it is
// replaced by a hash. The subject must be the last part, so that the copies of
// one record for several subjects differ.
func MsgID(parts ...string) string {
	id := strings.Join(parts, "/")
	clean := true
	for i := 0; i < len(id); i++ {
		if id[i] < ' ' || id[i] == 0x7f {
			clean = false
		}
	}
	if len(id) <= maxMsgID && clean && textproto.TrimString(id) == id {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "#" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// TypeOf returns the type of a stored event, "" for none: the CloudEvents
// attribute from its header, or out of a structured CloudEvent. An error means
// that the event must not be delivered.
func TypeOf(s *Stored) (string, error) {
	if s.unreadable {
		return "", fmt.Errorf("%w: the headers cannot be read", ErrType)
	}
	t := first(s.Header, HeaderType)
	if t == "" {
		t = first(s.Header, "Ce-Type")
	}
	if t == "" {
		media, _, _ := strings.Cut(first(s.Header, HeaderContentType), ";")
		if media == "" {
			media, _, _ = strings.Cut(first(s.Header, "Content-Type"), ";")
		}
		if strings.EqualFold(strings.TrimSpace(media), ContentTypeStructured) {
			var attributes struct {
				Type string `json:"type"`
			}
			if json.Unmarshal(s.Data, &attributes) == nil {
				t = attributes.Type
			}
		}
	}
	return t, CheckType(t)
}
