package cloudevent

import (
	"net/url"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// Encoded is the value of an attribute as it stands in a header of HTTP and NATS: what is no
// printable ASCII, blanks, double quotes and percent signs are percent-encoded byte by byte
// (HTTP protocol binding, section 3.1.3.2; the one of NATS has the same). Decoded is its
// inverse.
func Encoded(value string) string {
	n := 0
	for i := range len(value) {
		if !plain(value[i]) {
			n++
		}
	}
	if n == 0 {
		return value
	}
	b := make([]byte, 0, len(value)+2*n)
	for i := range len(value) {
		if c := value[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

func plain(c byte) bool { return c > ' ' && c < 0x7f && c != '"' && c != '%' }

// Decoded is the value of an attribute that stands in a header of HTTP or NATS. One that
// is not well encoded is taken as it is. It may hold bytes that are no UTF-8.
func Decoded(value string) string {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = unquoted(value[1 : n-1])
	}
	if decoded, err := url.PathUnescape(value); err == nil {
		value = decoded
	}
	return value
}

// unquoted undoes the escapes of a quoted string (RFC 9110, section 5.6.4),
// which a receiver must do before it decodes percent signs.
func unquoted(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
