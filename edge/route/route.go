// Package route is the document of a route: what of requests from the front end is
// forwarded to which back end, and how. It reads documents, says all that is wrong with
// one, and makes what a request that runs through a route needs of it.
//
// Patterns are in package pattern, templates in package template. All three are leaves:
// the bucket's table is made in package jetstream/routes, requests are served in
// edge/proxy, those for Kafka in bridge/target.
package route

import (
	"time"

	"weft/edge/route/pattern"
	"weft/edge/route/template"
)

// A Scheme is what kind of target a route has.
type Scheme string

// The schemes.
const (
	HTTP  Scheme = "http"
	HTTPS Scheme = "https"
	H2C   Scheme = "h2c"
	NATS  Scheme = "nats"
	Kafka Scheme = "kafka"
)

// IsHTTP reports whether requests are forwarded to an HTTP server.
func (s Scheme) IsHTTP() bool { return s == HTTP || s == HTTPS || s == H2C }

// An AuthMode is whether a route looks at tokens.
type AuthMode string

// The modes.
const (
	AuthToken    AuthMode = "token"
	AuthOptional AuthMode = "optional"
	AuthNone     AuthMode = "none"
)

// A Route is a document that was found good. It is immutable.
type Route struct {
	Name string
	// Revision is that of the bucket; 0 of a document that is in none.
	Revision uint64
	// Document is the JSON text that it was made of.
	Document []byte

	Pattern *pattern.Pattern
	Scheme  Scheme
	// Targets are one, or several for HTTP.
	Targets []Target

	Auth AuthMode
	// Require are claims of which each must be met.
	Require []Require
	// PassToken hands the token on.
	PassToken bool

	// BodyLimit is the greatest body of a request in bytes; -1: none.
	BodyLimit      int64
	ConnectTimeout time.Duration
	Timeout        time.Duration
	IdleTimeout    time.Duration
	// IdleStreams applies IdleTimeout to event streams and upgraded connections, too.
	IdleStreams  bool
	PreserveHost bool

	RequestHeaders  RequestHeaders
	ResponseHeaders ResponseHeaders
	Rate            *Rate              // nil: none
	CORS            []string           // origins; nil: the back end's affair
	Key             *template.Template // of a Kafka record; nil: none
	CloudEvent      *CloudEvent        // nil: none
	Reply           *Reply             // nil: the target's answer is the answer
}

// A Require is a claim that a token must have.
type Require struct {
	Pointer string // a JSON Pointer into the claims
	Values  []string

	tokens []string // of the pointer
}

// A Target is a URL that requests go to.
type Target struct {
	// Text is the URL as it was written.
	Text string
	// Host is host:port of HTTP targets, or the topic of a Kafka one.
	Host string
	// Path makes the path of an HTTP target, or the subject of a NATS one; nil: the
	// client's path.
	Path *template.Target
	// RawQuery is put before the client's query.
	RawQuery string
}

// RequestHeaders change what the target is sent.
type RequestHeaders struct {
	Set    []SetHeader
	Remove []string // canonical
	Pass   []string // canonical; NATS and Kafka only
}

// A SetHeader sets a header of a request; its name is canonical.
type SetHeader struct {
	Name  string
	Value *template.Template
}

// ResponseHeaders change what the client is sent.
type ResponseHeaders struct {
	Set    map[string]string // canonical names
	Remove []string
}

// What a Rate counts by.
const (
	PerUser    = "user"
	PerAddress = "address"
	PerRoute   = "route"
)

// A Rate limits requests.
type Rate struct {
	Per   string
	Limit float64 // per second
	Burst int
}

// A CloudEvent makes a Kafka record a CloudEvent in binary mode.
type CloudEvent struct {
	Type   *template.Template
	Source string
}

// A Reply is an answer that comes later, for a correlation.
type Reply struct {
	Topic   string // of Kafka; "": it comes by HTTP or NATS
	Timeout time.Duration
}

// A FieldError says what is wrong with a field of a document; "" is the document.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Detail }
