package route

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"weft/bridge/pointer"
)

// Bounds of an answer, in bytes.
const (
	// MaxAnswer is the longest body.
	MaxAnswer = 1 << 20
	// MaxAnswerHeader is how long the names and values of its headers may be together.
	// With the longest body they still make one message between nodes.
	MaxAnswerHeader = 48 << 10
)

// Errors of answers. Their texts are safe to show.
var (
	// ErrStatus is returned for an answer whose status is none from 200 to 599.
	ErrStatus = errors.New("weft-status is no status from 200 to 599")
	// ErrAnswerSize is returned for an answer that is too long.
	ErrAnswerSize = fmt.Errorf("the answer is longer than %d bytes, or its headers than %d", MaxAnswer, MaxAnswerHeader)
)

// An Answer is what a back end says, later, to a request that waits for it. It must not
// be changed once it is on its way.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Err says that an answer came and was bad; nothing else is set then.
	Err error
}

// What the headers of a message are called.
const (
	answerStatus = "weft-status"
	answerType   = "content-type"
	answerHeader = "weft-header-"
)

// ReadAnswer makes an answer of the headers of a message, in any case, and its body,
// which it keeps:
//
//	weft-status         200 to 599; absent: 200
//	content-type        absent: application/json if the body is JSON, else application/octet-stream
//	weft-header-<name>  the header <name>
//
// A header is left out if it is Weft's own to set, if its name is none, or if it has a
// control character. Errors: ErrStatus, ErrAnswerSize.
func ReadAnswer(header iter.Seq2[string, string], body []byte) (*Answer, error) {
	if len(body) > MaxAnswer {
		return nil, ErrAnswerSize
	}
	a := &Answer{Header: http.Header{}, Body: body}
	size := 0
	for name, value := range header {
		switch {
		case strings.EqualFold(name, answerStatus):
			status, ok := readStatus(value)
			if !ok || a.Status != 0 && a.Status != status {
				return nil, ErrStatus
			}
			a.Status = status
		case strings.EqualFold(name, answerType):
			if value = strings.TrimSpace(value); value != "" && HeaderValue(value) {
				a.Header["Content-Type"] = []string{value}
				size += len(answerType) + len(value)
			}
		case len(name) > len(answerHeader) && strings.EqualFold(name[:len(answerHeader)], answerHeader):
			name, value = name[len(answerHeader):], strings.TrimSpace(value)
			if !HeaderName(name) || RefusedHeader(name) || !HeaderValue(value) || strings.EqualFold(name, answerType) && a.Header.Get(name) != "" {
				continue
			}
			a.Header.Add(name, value)
			size += len(name) + len(value)
		}
		if size > MaxAnswerHeader {
			return nil, ErrAnswerSize
		}
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	if a.Header.Get(answerType) == "" {
		a.Header.Set(answerType, typeOf(body))
	}
	return a, nil
}

// readStatus takes three digits and nothing else.
func readStatus(text string) (status int, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) != 3 || text[0] < '2' || text[0] > '5' {
		return 0, false
	}
	status, err := strconv.Atoi(text)
	return status, err == nil
}

func typeOf(body []byte) string {
	if pointer.Valid(body) {
		return "application/json"
	}
	return "application/octet-stream"
}
