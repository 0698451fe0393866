package route

import (
	"strconv"
	"strings"
	"time"

	"weft/bridge/pointer"
	"weft/edge/origin"
	"weft/edge/route/pattern"
	"weft/edge/route/template"
)

// Bounds that stand at several fields.
const (
	maxTargets     = 16
	maxNames       = 64 // of headers, of a request or an answer
	maxHeaderValue = 4 << 10
	maxMessage     = 1 << 20
	maxTopic       = 249
	maxRate        = 1_000_000
)

// documentFields are all that may stand in a document, in the order of the documentation.
var documentFields = &field{kind: section, members: []*field{
	{name: "pattern", required: true, most: pattern.MaxBytes, form: &form{expr: "/", ok: always},
		shape: "`[METHOD ][HOST]/[PATH]`, at most 1024 bytes; required", means: "Which requests the route takes: [Patterns](#patterns)."},
	{name: "target", form: targetForm, shape: "a URL; this or `targets`", means: "Where they go: [Targets](#targets)."},
	{name: "targets", kind: list, takes: takesHTTP, least: 1, most: maxTargets, each: &field{form: targetForm},
		shape: "1 to 16 URLs that differ in nothing but host and port", means: "Several servers, which take turns."},
	{name: "description", most: 500, means: "For people."},
	{name: "auth", kind: section, means: "Who may.", members: []*field{
		{name: "mode", one: []string{string(AuthToken), string(AuthOptional), string(AuthNone)}, standard: string(AuthToken),
			means: "`token`: a valid one is needed; `optional`: none is fine, a bad one is not; `none`: nothing is looked at, and no identity is handed on."},
		{name: "require", kind: mapping, least: 1, most: 16, keys: pointerForm,
			each:  &field{kind: list, least: 1, most: 64, each: &field{}},
			shape: "1 to 16 JSON Pointers, 1 to 64 texts each, as in `{\"/roles\": [\"buyer\"]}`",
			means: "Each claim must have one of its values, a list any element; mode `token` only."},
		{name: "pass_token", kind: flag, standard: "true", messages: &messageBounds{standard: "false"},
			means: "Leaves `Authorization`, the cookie `weft_token` and `?access_token=` in what is forwarded."},
	}},
	{name: "body_limit", kind: size, most: unlimited, standard: "10MiB", messages: &messageBounds{"1MiB", maxMessage},
		means: "The greatest body of a request."},
	{name: "connect_timeout", kind: duration, takes: takesHTTP, standard: "5s", least: int64(10 * time.Millisecond), most: int64(time.Minute),
		means: "For DNS, TCP and TLS together."},
	{name: "timeout", kind: duration, standard: "30s", least: int64(100 * time.Millisecond), most: int64(10 * time.Minute),
		means: "HTTP: from the request fully written to the head of the answer. NATS: to the reply. Kafka: to the broker's acknowledgement."},
	{name: "idle_timeout", kind: duration, takes: takesHTTP, standard: "60s", least: int64(time.Second), most: int64(24 * time.Hour),
		means: "Ends a request in which nothing moves in either direction. WebSockets and event streams only if the field is there."},
	{name: "preserve_host", kind: flag, takes: takesHTTP, standard: "false",
		means: "The target is sent the client's `Host`, not its own."},
	{name: "request_headers", kind: section, means: "What the target is sent; at most 64 names together.", members: []*field{
		{name: "set", kind: mapping, most: maxNames, keys: headerForm, each: &field{most: maxHeaderValue, form: lineForm},
			shape: "names and [templates](#templates)", means: "Sets headers."},
		{name: "remove", kind: list, most: maxNames, each: &field{form: headerForm}, shape: "names", means: "Removes the client's."},
		{name: "pass", kind: list, takes: takesMessages, most: maxNames, each: &field{form: passForm}, shape: "names",
			means: "Hands the client's on, too."},
	}},
	{name: "response_headers", kind: section, means: "What the client is sent; at most 64 names together.", members: []*field{
		{name: "set", kind: mapping, most: maxNames, keys: headerForm, each: &field{most: maxHeaderValue, form: lineForm},
			shape: "names and texts", means: "Sets headers."},
		{name: "remove", kind: list, most: maxNames, each: &field{form: headerForm}, shape: "names", means: "Removes the back end's."},
	}},
	{name: "rate", kind: section, means: "How often; each node counts for itself.", members: []*field{
		{name: "per", one: []string{PerUser, PerAddress, PerRoute}, required: true,
			means: "By whom is counted: the token's user (mode `token` only), the client's address (IPv6: its /64), or all together."},
		{name: "limit", form: rateForm, required: true, shape: "`10/s`: 1 to 1000000 per `s`, `m` or `h`", means: "Requests in that time."},
		{name: "burst", kind: number, least: 1, most: maxRate, shape: "1 to 1000000, default: the number of `limit`",
			means: "How many may come at once."},
	}},
	{name: "cors", kind: list, least: 1, most: 64, each: &field{form: originForm}, shape: "1 to 64 origins",
		means: "Pages that may use the route, as in `public.cors_origins`. Without it CORS is the back end's affair."},
	{name: "key", takes: takesKafka, most: maxHeaderValue, least: 1, shape: "a [template](#templates)", means: "The record's key; none without."},
	{name: "cloudevent", kind: section, takes: takesKafka, means: "Makes the record a CloudEvent: `ce_specversion`, `ce_id` (the correlation), `ce_type`, `ce_source`, `ce_time`.",
		members: []*field{
			{name: "type", required: true, least: 1, most: maxHeaderValue, form: lineForm, shape: "a [template](#templates)", means: "Its `ce_type`."},
			{name: "source", required: true, least: 1, most: maxHeaderValue, form: lineForm, means: "Its `ce_source`."},
		}},
	{name: "reply", kind: section, takes: takesHTTP | takesKafka, means: "The answer comes later: [Answers that come later](#answers-that-come-later).", members: []*field{
		{name: "topic", form: topicForm, means: "The Kafka topic it comes by; it may come by HTTP or NATS in any case."},
		{name: "timeout", kind: duration, standard: "30s", least: int64(100 * time.Millisecond), most: int64(10 * time.Minute), means: "How long it is waited for."},
	}},
}}

// The forms of texts.
var (
	targetForm = &form{expr: `^((https?|h2c)://[^/?#@{}\s]+(/[^?#\s]*)?(\?[^#{}\s]*)?|nats://svc\..+|kafka://[A-Za-z0-9._-]{1,249})$`, not: `^kafka://\.\.?$`, ok: always}
	topicForm  = &form{expr: `^[A-Za-z0-9._-]{1,249}$`, not: `^\.\.?$`, ok: isTopic,
		detail: "is no topic; it has 1 to 249 letters, digits, ., - and _"}
	rateForm    = &form{expr: `^([1-9][0-9]{0,5}|1000000)/[smh]$`, ok: isRate, detail: "is no rate like 10/s; 1 to 1000000 per s, m or h"}
	lineForm    = &form{expr: `^[^\x00-\x1f\x7f-\x9f]*$`, ok: func(s string) bool { return !template.HasControl(s) }, detail: "holds a control character"}
	originForm  = &form{expr: `^[^A-Z*/?#]+://[^A-Z*/?#]+$`, ok: always} // its texts are those of package origin
	pointerForm = &form{expr: `^(/([^~]|~[01])*)?$`, not: `^$`, ok: isPointer, detail: "is no JSON Pointer; write one like /roles"}
	headerForm  = &form{expr: tokenExpr, not: refusedExpr(refusedHeaders), ok: isSettable,
		detail: "is no header that a route may change; names are letters, digits and -, and not hop-by-hop ones, Host or Weft-*"}
	passForm = &form{expr: tokenExpr, not: refusedExpr(ours), ok: isPassable, detail: "is no header of a client"}
)

const tokenExpr = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"

func always(string) bool { return true }

func isTopic(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxTopic && s != "." && s != ".."
}

func isRate(s string) bool {
	count, unit, _ := strings.Cut(s, "/")
	n, err := strconv.Atoi(count)
	return err == nil && n >= 1 && n <= maxRate && count[0] >= '1' && count[0] <= '9' && (unit == "s" || unit == "m" || unit == "h")
}

func isSettable(name string) bool { return HeaderName(name) && !RefusedHeader(name) }

// ours are the headers that no client may send.
var ours = []string{"weft-*"}

func isPassable(name string) bool { return HeaderName(name) && !isRefused(name, ours) }

// refusedExpr is isRefused as a regular expression, in which nothing has both cases.
func refusedExpr(list []string) string {
	var b strings.Builder
	for i, r := range list {
		if i > 0 {
			b.WriteByte('|')
		}
		for _, c := range r {
			switch {
			case c == '*':
				b.WriteString(".*")
			case c == '-':
				b.WriteString("[-_]")
			default:
				b.WriteString("[" + strings.ToUpper(string(c)) + string(c) + "]")
			}
		}
	}
	return "^(" + b.String() + ")$"
}

// wrongOrigin says what is wrong with an origin, in the words of public.cors_origins.
func wrongOrigin(s string) string {
	if err := origin.Check(s); err != nil {
		return err.Error()
	}
	return ""
}

func isPointer(s string) bool { return strings.HasPrefix(s, "/") && pointer.Check(s) == nil }
