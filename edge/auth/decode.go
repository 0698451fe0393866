package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// maxDecoded is up to which size of claims, in bytes, a decoder is used again: it
// keeps as much memory.
const maxDecoded = 1024

var errTrailing = errors.New("something follows the JSON value")

// A claimsDecoder decodes JSON, with numbers as they are written. Its memory, which
// is more than that of the claims of most tokens, is used again for the next token.
type claimsDecoder struct {
	from bytes.Reader
	json *json.Decoder
}

var claimsDecoders = sync.Pool{New: func() any {
	d := &claimsDecoder{}
	d.json = json.NewDecoder(&d.from)
	d.json.UseNumber()
	return d
}}

// decodeClaims reads a JSON object and nothing else.
func decodeClaims(text []byte, to *jwt.MapClaims) error {
	d := claimsDecoders.Get().(*claimsDecoder)
	d.from.Reset(text)
	began := d.json.InputOffset()
	if err := d.json.Decode(to); err != nil {
		return err // the decoder stays at the error; another one takes its place
	}
	rest := text[d.json.InputOffset()-began:]
	if len(bytes.Trim(rest, " \t\r\n")) > 0 {
		return errTrailing
	}
	if len(rest) == 0 && len(text) <= maxDecoded {
		d.from.Reset(nil)
		claimsDecoders.Put(d)
	}
	return nil
}
