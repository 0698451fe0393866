// Package problem is how Weft tells an HTTP client what went wrong:
// application/problem+json (RFC 9457) with a code of a closed set and a
// sentence that is safe to show. The text of an inner error never leaves the
// process through it.
package problem

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A Code names what went wrong. The set is closed: clients may switch on it.
type Code string

// The codes.
const (
	TokenMissing        Code = "token_missing"
	TokenInvalid        Code = "token_invalid"
	TokenExpired        Code = "token_expired"
	TokenRevoked        Code = "token_revoked"
	Forbidden           Code = "forbidden"
	UserMismatch        Code = "user_mismatch"
	BadRequest          Code = "bad_request"
	BadSubject          Code = "bad_subject"
	BadEvent            Code = "bad_event"
	TooLarge            Code = "too_large"
	UnsupportedType     Code = "unsupported_type"
	Limit               Code = "limit"
	NotReady            Code = "not_ready"
	Draining            Code = "draining"
	DiskFull            Code = "disk_full"
	StoreUnavailable    Code = "store_unavailable"
	NotFound            Code = "not_found"
	Conflict            Code = "conflict"
	UpstreamUnavailable Code = "upstream_unavailable"
	UpstreamTimeout     Code = "upstream_timeout"
	Internal            Code = "internal"
)

// statuses is the usual status of each code; a Problem may carry another.
var statuses = map[Code]int{
	TokenMissing:        http.StatusUnauthorized,
	TokenInvalid:        http.StatusUnauthorized,
	TokenExpired:        http.StatusUnauthorized,
	TokenRevoked:        http.StatusForbidden,
	Forbidden:           http.StatusForbidden,
	UserMismatch:        http.StatusConflict,
	BadRequest:          http.StatusBadRequest,
	BadSubject:          http.StatusBadRequest,
	BadEvent:            http.StatusUnprocessableEntity,
	TooLarge:            http.StatusRequestEntityTooLarge,
	UnsupportedType:     http.StatusUnsupportedMediaType,
	Limit:               http.StatusTooManyRequests,
	NotReady:            http.StatusServiceUnavailable,
	Draining:            http.StatusServiceUnavailable,
	DiskFull:            http.StatusServiceUnavailable,
	StoreUnavailable:    http.StatusServiceUnavailable,
	NotFound:            http.StatusNotFound,
	Conflict:            http.StatusConflict,
	UpstreamUnavailable: http.StatusBadGateway,
	UpstreamTimeout:     http.StatusGatewayTimeout,
	Internal:            http.StatusInternalServerError,
}

// Codes are all codes, in order.
func Codes() []Code { return slices.Sorted(maps.Keys(statuses)) }

// A Problem is an error that may be shown to a client.
type Problem struct {
	Status int
	Code   Code
	// Detail is a sentence for a person; it holds nothing secret.
	Detail string
	// RetryAfter, when above zero, is sent as Retry-After, in whole seconds.
	RetryAfter time.Duration
	// Errors are all that is wrong with a document, as the member errors (RFC 9457,
	// section 3.2).
	Errors []FieldError
}

// A FieldError says what is wrong with a field of a document; "" is the document.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// New makes a problem with the code's usual status.
func New(code Code, detail string) *Problem {
	status, ok := statuses[code]
	if !ok {
		code, status = Internal, http.StatusInternalServerError
	}
	return &Problem{Status: status, Code: code, Detail: detail}
}

// OtherHost is what is wrong with a request for a host that the listener does not
// answer to (421, RFC 9110, section 15.5.20); key is that of the configuration that
// adds one.
func OtherHost(key string) *Problem {
	p := New(Forbidden, "the listener does not answer to this host name; "+key+" adds one")
	p.Status = http.StatusMisdirectedRequest
	return p
}

// Error implements error.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// Retry returns a copy of p that asks the client to wait for d.
func (p *Problem) Retry(d time.Duration) *Problem {
	q := *p
	q.RetryAfter = d
	return &q
}

// Of translates an error into what a client may see: a *Problem is taken as it is,
// everything else is internal, without its text.
func Of(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return New(Internal, "something went wrong")
}

// A Body is what a client is told, as JSON.
type Body struct {
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail,omitempty"`
	Code   Code         `json:"code"`
	Errors []FieldError `json:"errors,omitempty"`
}

// Write answers with the problem that Of makes of err.
func Write(w http.ResponseWriter, err error) {
	p := Of(err)
	body, _ := json.Marshal(Body{http.StatusText(p.Status), p.Status, p.Detail, p.Code, p.Errors})
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.RetryAfter > 0 {
		seconds := int64((p.RetryAfter + time.Second - 1) / time.Second)
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}
