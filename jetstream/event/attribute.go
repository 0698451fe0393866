package event

import (
	"net/url"
	"strings"
)

// EncodeAttribute spells the value of a CloudEvents attribute as a header of NATS has it:
// a blank, ", % and all that is no printable ASCII is percent-encoded (CloudEvents 1.0,
// HTTP protocol binding, section 3.1.3.2, which the one of NATS follows).
func EncodeAttribute(value string) string {
	n := 0
	for i := range len(value) {
		if !printed(value[i]) {
			n++
		}
	}
	if n == 0 {
		return value
	}
	b := make([]byte, 0, len(value)+2*n)
	for i := range len(value) {
		if c := value[i]; printed(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

func printed(c byte) bool { return c > ' ' && c < 0x7f && c != '"' && c != '%' }

// DecodeAttribute is the inverse of EncodeAttribute. What stands in quotation marks is
// taken out of them first (RFC 9110, section 5.6.4); what is not well encoded is taken as
// it is, as publishers write it who do not know of the encoding.
func DecodeAttribute(value string) string {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = unquoted(value[1 : n-1])
	}
	if decoded, err := url.PathUnescape(value); err == nil {
		return decoded
	}
	return value
}

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
