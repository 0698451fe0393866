package admin

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"weft/edge/problem"
	"weft/jetstream/kv"
)

// An export is JSON Lines: a head, a line per entry, and an end that counts the
// entries, so that a file that was cut off is noticed.
//
//	{"weft":"export","version":1,"node":"n1","time":"2026-01-02T03:04:05Z"}
//	{"bucket":"blacklist","key":"user.ann","value":"revoked","made":"…","expires":"…"}
//	{"weft":"end","entries":1}
const (
	exportVersion = 1
	lineHead      = "export"
	lineEnd       = "end"
)

// exportType is the media type of an export.
const exportType = "application/jsonl"

// exportStall is how long an export waits for a client that takes nothing, and
// an import for one that sends nothing.
const exportStall = 30 * time.Second

// exportLine is a line of an export.
type exportLine struct {
	// Weft is "export" or "end"; an entry has none.
	Weft    string     `json:"weft,omitempty"`
	Version int        `json:"version,omitempty"`
	Node    string     `json:"node,omitempty"`
	Time    *time.Time `json:"time,omitempty"`
	Entries *int       `json:"entries,omitempty"`

	Bucket string `json:"bucket,omitempty"`
	Key    string `json:"key,omitempty"`
	Value  string `json:"value,omitempty"`
	// Base64 is the value when it is no text.
	Base64  []byte     `json:"value_base64,omitempty"`
	Made    *time.Time `json:"made,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
}

func lineOf(e kv.Entry) exportLine {
	l := exportLine{Bucket: e.Bucket, Key: e.Key, Made: timeOf(e.Made), Expires: timeOf(e.Expires)}
	if utf8.Valid(e.Value) {
		l.Value = string(e.Value)
	} else {
		l.Base64 = e.Value
	}
	return l
}

func (l *exportLine) entry() kv.Entry {
	e := kv.Entry{Bucket: l.Bucket, Key: l.Key, Value: []byte(l.Value)}
	if l.Base64 != nil {
		e.Value = l.Base64
	}
	if l.Made != nil {
		e.Made = *l.Made
	}
	if l.Expires != nil {
		e.Expires = *l.Expires
	}
	return e
}

// exportBuckets writes blacklist and routes. When it fails midway the end is
// missing.
func (a *Admin) exportBuckets(w http.ResponseWriter, r *request) error {
	out := &exportWriter{w: w, rc: http.NewResponseController(w)}
	buffer := bufio.NewWriterSize(out, 64<<10)
	enc := json.NewEncoder(buffer)
	enc.SetEscapeHTML(false)
	now, entries := time.Now().UTC(), 0
	err := enc.Encode(exportLine{Weft: lineHead, Version: exportVersion, Node: a.deps.Node.Name, Time: &now})
	if err == nil {
		err = a.deps.Node.Transfer.Export(r.Context(), func(e kv.Entry) error {
			entries++
			return enc.Encode(lineOf(e))
		})
	}
	if err == nil {
		err = enc.Encode(exportLine{Weft: lineEnd, Entries: &entries})
	}
	if err == nil {
		err = buffer.Flush()
	}
	switch {
	case err == nil:
		a.log.Info("blacklist and routes exported by an operator", "entries", entries)
	case out.begun:
		a.log.Warn("export blacklist and routes", "entries", entries, "err", err)
	default:
		a.log.Warn("export blacklist and routes", "err", err)
		return problem.New(problem.StoreUnavailable, "the store does not answer; try again").Retry(time.Second)
	}
	return nil
}

// exportWriter writes the head of the answer before the first bytes, and gives
// up on a client that takes nothing.
type exportWriter struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	begun bool
}

var _ io.Writer = (*exportWriter)(nil)

func (e *exportWriter) Write(b []byte) (int, error) {
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", exportType)
		e.w.Header().Set("Cache-Control", "no-store")
	}
	if err := e.rc.SetWriteDeadline(time.Now().Add(exportStall)); err != nil {
		return 0, err
	}
	return e.w.Write(b)
}
