package store

import (
	"crypto/rand"
	"encoding/base64"
	"strings"

	"weft/jetstream/event"
)

// metaSecret is the metadata key of the stream that holds the secret of its
// message ids. It is made with the stream, so that all nodes have the same and a
// restart keeps it. It is never logged, and shown to nobody who may not read the
// stream.
const metaSecret = "weft_message_id_secret"

// secretBytes is the size of the secret, a whole number of base64 characters.
const secretBytes = 12

func newSecret() string {
	var b [secretBytes]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// secretOf returns the secret of the stream with this metadata, "" when it has
// none that can be used.
func secretOf(meta map[string]string) string {
	s := meta[metaSecret]
	if b, err := base64.RawURLEncoding.DecodeString(s); err != nil || len(b) != secretBytes {
		return ""
	}
	return s
}

// learnSecret keeps the secret of the stream, whichever node has made it.
func (s *Stream) learnSecret(secret string) {
	if secret != *s.secret.Load() {
		s.secret.Store(&secret)
	}
}

// MessageID is the text of an id for the stream.
func (s *Stream) MessageID(id *event.MsgID, subject string) string {
	return id.Text(*s.secret.Load(), subject)
}

// bare takes the secret off a stored id. One that has none is returned as it is:
// it was stored before the stream had a secret.
func (s *Stream) bare(id string) string {
	secret := *s.secret.Load()
	if rest, ok := strings.CutPrefix(id, secret); ok && strings.HasPrefix(rest, "/") {
		return rest[1:]
	}
	return id
}
