package frames

import (
	"encoding/binary"
	"unicode/utf8"
)

// Codes of a close frame (section 7.4.1).
const (
	codeNormal        = 1000
	codeProtocolError = 1002
	codeReserved      = 1004
	codeNone          = 1005 // stands for no code, and is never sent
	codeAbnormal      = 1006
	codeInvalid       = 1007
	codeTooBig        = 1009
	codeInternal      = 1011
	codeTLS           = 1015
)

// A Violation is how a client breaks the protocol, and what it is told then (RFC 6455,
// section 7.4.1).
type Violation struct {
	Code   int
	Reason string
}

// Error implements error.
func (v *Violation) Error() string { return v.Reason }

// The violations.
var (
	errUnmasked   = &Violation{codeProtocolError, "the frame is not masked"}
	errReserved   = &Violation{codeProtocolError, "a reserved bit is set"}
	errOpcode     = &Violation{codeProtocolError, "the opcode is unknown"}
	errControl    = &Violation{codeProtocolError, "a control frame is longer than 125 bytes or not whole"}
	errNoMessage  = &Violation{codeProtocolError, "there is no message to continue"}
	errWithin     = &Violation{codeProtocolError, "a message begins within another one"}
	errClose      = &Violation{codeProtocolError, "the close frame is not valid"}
	errNotUTF8    = &Violation{codeInvalid, "the text is not UTF-8"}
	errReasonUTF8 = &Violation{codeInvalid, "the reason is not UTF-8"}
	errTooBig     = &Violation{codeTooBig, "the message is too big"}
)

// CloseAnswer is the code and the reason that answer a client's close frame: its own
// code (section 5.5.1), 1005 when it has none, or what the frame violates.
func CloseAnswer(payload []byte) (code int, reason string) {
	code, err := closeCode(payload)
	if err != nil {
		return CloseFor(err)
	}
	return code, ""
}

// closeCode is the code of a client's close frame.
func closeCode(payload []byte) (int, error) {
	if len(payload) == 0 {
		return codeNone, nil
	}
	if len(payload) == 1 {
		return 0, errClose
	}
	code := int(binary.BigEndian.Uint16(payload))
	if !mayClose(code) {
		return 0, errClose
	}
	if !utf8.Valid(payload[2:]) {
		return 0, errReasonUTF8
	}
	return code, nil
}

// CloseFor is how an error is spelt in a close frame.
func CloseFor(err error) (code int, reason string) {
	if v, ok := err.(*Violation); ok {
		return v.Code, v.Reason
	}
	return codeInternal, ""
}

// mayClose reports whether a close frame may have this code: those of section 7.4.1
// and of IANA's registry, and what section 7.4.2 leaves to libraries and
// applications.
func mayClose(code int) bool {
	switch {
	case code >= 3000:
		return code < 5000
	case code == codeReserved, code == codeNone, code == codeAbnormal:
		return false
	}
	return code >= codeNormal && code < codeTLS
}
