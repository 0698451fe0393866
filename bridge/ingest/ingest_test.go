package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"weft/bridge"
	"weft/edge/problem"
	"weft/jetstream"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A recorder is a real store that remembers what it was given.
type recorder struct {
	*store.Store
	given []event.Event
}

func (s *recorder) PublishAll(ctx context.Context, events []event.Event) ([]store.Ack, []error) {
	s.given = append(s.given, events...)
	return s.Store.PublishAll(ctx, events)
}

// pub is who publishes unless a test says otherwise.
var pub = event.PublicUser("pub")

// open makes an ingest over a real store.
func open(t *testing.T) (*Ingest, *recorder) {
	t.Helper()
	cfg := jetstream.Default()
	cfg.Node.Name, cfg.Node.DataDir, cfg.Node.Listen = "n1", t.TempDir(), "127.0.0.1:0"
	n := jetstream.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &recorder{Store: n.Store()}
	return New(config, nil, s, prometheus.NewRegistry()), s
}

var config = bridge.IngestConfig{BodyLimit: 2 << 20, BodiesLimit: 4 << 20}

func all(string) bool { return true }

// post makes a request; headers are name, value, ….
func post(query, body string, headers ...string) *http.Request {
	r := httptest.NewRequest("POST", "/_weft/v1/events"+query, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func read(t *testing.T, n *recorder, subject string) []event.Stored {
	t.Helper()
	b, err := n.Read(t.Context(), subject, 1, 1000, 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	return b.Messages
}

const (
	structuredType = "application/cloudevents+json"
	batchType      = "application/cloudevents-batch+json"
	forBoth        = `{"specversion":"1.0","id":"1","source":"/s","type":"made","user":"ann@x.org","topic":"hotel.42", "data":1e3}`
)

func TestAcceptStoresEveryForm(t *testing.T) {
	for name, c := range map[string]struct {
		request  *http.Request
		subjects []string
		kind     string
		data     string
		id       event.MsgID // of the last one
		header   map[string]string
	}{
		"raw": {post("?user=ann@x.org&type=greeting", "\x00\xff\r\n", "Content-Type", "text/plain", "Traceparent", "00-1-2-01"),
			[]string{"user.ann=40x=2Eorg"}, "greeting", "\x00\xff\r\n", event.MsgID{}, map[string]string{"content-type": "text/plain", "traceparent": "00-1-2-01"}},
		"raw, empty":                  {post("?subject=topic.a.b", ""), []string{"topic.a.b"}, "", "", event.MsgID{}, nil},
		"raw, to both":                {post("?subject=topic.a.b&user=c&user=c", "x"), []string{"user.c", "topic.a.b"}, "", "x", event.MsgID{}, nil},
		"raw, with key":               {post("?user=ann", "x", "Idempotency-Key", "k1"), []string{"user.ann"}, "", "x", pub.KeyID("k1", 0), nil},
		"JSON that curl calls a form": {post("?user=ann", `{"a":"€"}`, "Content-Type", "application/x-www-form-urlencoded"), []string{"user.ann"}, "", `{"a":"€"}`, event.MsgID{}, map[string]string{"content-type": ""}},
		"a form": {post("?user=ann", "a=1&b=2", "Content-Type", "application/x-www-form-urlencoded"), []string{"user.ann"}, "", "a=1&b=2", event.MsgID{},
			map[string]string{"content-type": "application/x-www-form-urlencoded"}},
		"structured": {post("", forBoth, "Content-Type", structuredType), []string{"user.ann=40x=2Eorg", "topic.hotel.42"}, "made", "1e3", pub.EventID("/s", "1"),
			map[string]string{"content-type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-user": "ann@x.org", "ce-topic": "hotel.42"}},
		"its id goes before a key": {post("", forBoth, "Content-Type", structuredType, "Idempotency-Key", "k"), []string{"user.ann=40x=2Eorg", "topic.hotel.42"}, "made", "1e3", pub.EventID("/s", "1"), nil},
		"structured, by query": {post("?user=bob&type=ignored", `{"specversion":"1.0","id":"1","source":"/s","type":"made"}`, "Content-Type", structuredType),
			[]string{"user.bob"}, "made", "", pub.EventID("/s", "1"), nil},
		"binary": {post("", "data", "ce-specversion", "1.0", "ce-id", "a%20b", "ce-source", "/s", "ce-type", "made", "ce-user", "ann", "ce-ext", "%E2%82%AC", "Content-Type", "text/x"),
			[]string{"user.ann"}, "made", "data", pub.EventID("/s", "a b"), map[string]string{"ce-ext": "%E2%82%AC", "ce-id": "a%20b", "content-type": "text/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			i, n := open(t)
			var asked []string
			ids, err := i.Accept(t.Context(), c.request, pub, func(s string) bool { asked = append(asked, s); return true })
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(asked, c.subjects) || len(ids) != len(c.subjects) {
				t.Fatalf("asked for %q, %d ids, want %q", asked, len(ids), c.subjects)
			}
			for k, s := range c.subjects {
				stored := read(t, n, s)
				if len(stored) != 1 || string(stored[0].Data) != c.data || ids[k] != n.CursorAt(stored[0].Seq) {
					t.Fatalf("%s: %d stored, %q, id %q", s, len(stored), stored[0].Data, ids[k])
				}
				if got := slices.Concat(stored[0].Header["ce-type"], []string{""})[0]; got != c.kind {
					t.Errorf("type %q, want %q", got, c.kind)
				}
				if e := n.given[k]; k == len(c.subjects)-1 && e.ID != c.id {
					t.Errorf("message id %v, want %v", e.ID, c.id)
				}
				for name, v := range c.header {
					if got := stored[0].Header[name]; strings.Join(got, " and ") != v {
						t.Errorf("header %s %q, want %q", name, got, v)
					}
				}
			}
		})
	}
}

func TestBatchIsStoredInOrderAndOnlyOnce(t *testing.T) {
	i, n := open(t)
	var docs []string
	for k := range 200 {
		docs = append(docs, `{"specversion":"1.0","id":"`+strings.Repeat("x", k)+`-","source":"/s","type":"t","user":"ann"}`)
	}
	body := "[" + strings.Join(docs, " ,\n") + "]"
	first, err := i.Accept(t.Context(), post("", body, "Content-Type", batchType), pub, all)
	if err != nil {
		t.Fatal(err)
	}
	second, err := i.Accept(t.Context(), post("", body, "Content-Type", batchType), pub, all)
	if err != nil || !slices.Equal(first, second) {
		t.Errorf("again: %v", err)
	}
	stored := read(t, n, "user.ann")
	if len(stored) != 100 { // max_per_subject
		t.Fatalf("%d stored", len(stored))
	}
	for k, s := range stored {
		if id := s.Header["ce-id"][0]; id != strings.Repeat("x", 100+k)+"-" {
			t.Fatalf("event %d: %s", k, id)
		}
	}
	if other, err := i.Accept(t.Context(), post("", "["+docs[199]+"]", "Content-Type", batchType), event.PublicUser("other"), all); err != nil || slices.Contains(first, other[0]) {
		t.Errorf("another publisher's event was suppressed: %v", err)
	}
}

type broken struct{ err error }

func (b broken) PublishAll(_ context.Context, events []event.Event) ([]store.Ack, []error) {
	errs := make([]error, len(events))
	errs[len(errs)-1] = b.err
	return make([]store.Ack, len(events)), errs
}

func TestProblems(t *testing.T) {
	event := func(change string) string {
		return strings.Replace(forBoth, `"type":"made"`, `"type":"made",`+change, 1)
	}
	long := strings.Repeat("x", 201)
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		code    string
	}{
		"nobody":            {post("", "x"), 422, "bad_event"},
		"nobody, event":     {post("", `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`, "Content-Type", structuredType), 422, "bad_event"},
		"bad user":          {post("?user=", "x"), 400, "bad_subject"},
		"long user":         {post("?user="+long, "x"), 400, "bad_subject"},
		"bad subject":       {post("?subject=user.a@b", "x"), 400, "bad_subject"},
		"wildcard":          {post("?subject=topic.>", "x"), 400, "bad_subject"},
		"foreign subject":   {post("?subject=tick.n1", "x"), 400, "bad_subject"},
		"bad query":         {post("?user=%zz", "x"), 400, "bad_request"},
		"two types":         {post("?user=a&type=b&type=c", "x"), 400, "bad_request"},
		"long key":          {post("?user=a", "x", "Idempotency-Key", long+long), 400, "bad_request"},
		"reserved type":     {post("?user=a&type=weft.close", "x"), 422, "bad_event"},
		"type with newline": {post("?user=a&type=a%0Ab", "x"), 422, "bad_event"},
		"long type":         {post("?user=a&type="+long, "x"), 422, "bad_event"},
		"event over 1 MiB":  {post("?user=a", strings.Repeat("x", 1<<20+1)), 413, "too_large"},
		"body over limit":   {post("?user=a", strings.Repeat("x", 2<<20+1)), 413, "too_large"},
		"no JSON":           {post("", "{", "Content-Type", structuredType), 422, "bad_event"},
		"bad UTF-8":         {post("", event("\"x\":\"\xff\","), "Content-Type", structuredType), 422, "bad_event"},
		"wild topic":        {post("", strings.Replace(forBoth, "hotel.42", "hotel.*", 1), "Content-Type", structuredType), 422, "bad_event"},
		"empty batch":       {post("", "[]", "Content-Type", batchType), 422, "bad_event"},
		"batch with a bad":  {post("", "["+forBoth+",{}]", "Content-Type", batchType), 422, "bad_event"},
		"large batch":       {post("", "["+strings.Repeat(forBoth+",", 600)+forBoth+"]", "Content-Type", batchType), 413, "too_large"},
		"avro":              {post("", "x", "Content-Type", "application/cloudevents+avro"), 415, "unsupported_type"},
		"compressed":        {post("?user=a", "x", "Content-Encoding", "gzip"), 415, "unsupported_type"},
		"binary, no id":     {post("?user=a", "x", "ce-specversion", "1.0", "ce-type", "t", "ce-source", "s"), 422, "bad_event"},
		"binary, newline":   {post("?user=a", "x", "ce-specversion", "1.0", "ce-type", "t", "ce-source", "s", "ce-id", "a%0D%0ANats-Msg-Id: x"), 422, "bad_event"},
		"no JSON, raw":      {post("?user=a", "{", "Content-Type", "application/json"), 422, "bad_event"},
		"long topic":        {post("?subject=topic"+strings.Repeat("."+long[:200], 11), "x"), 400, "bad_subject"},
		"large header":      {post("?user=a", "x", "ce-specversion", "1.0", "ce-type", "t", "ce-source", "s", "ce-id", strings.Repeat("x", 40<<10)), 413, "too_large"},
	} {
		i := New(config, nil, broken{errors.New("the store was asked")}, prometheus.NewRegistry())
		_, err := i.Accept(t.Context(), c.request, pub, all)
		expect(t, name, err, c.status, c.code)
	}
}

func expect(t *testing.T, name string, err error, status int, code string) {
	t.Helper()
	if p := problem.Of(err); p.Status != status || string(p.Code) != code || p.Detail == "" {
		t.Errorf("%s: %d %s %q, want %d %s", name, p.Status, p.Code, p.Detail, status, code)
	}
}

func TestNothingIsStoredWhenOneSubjectIsForbidden(t *testing.T) {
	i, n := open(t)
	_, err := i.Accept(t.Context(), post("", forBoth, "Content-Type", structuredType), pub, func(s string) bool { return strings.HasPrefix(s, "user.") })
	expect(t, "forbidden", err, 403, "forbidden")
	if got := read(t, n, "user.ann=40x=2Eorg"); len(got) != 0 {
		t.Errorf("%d stored", len(got))
	}
}

func TestStoreErrorsAreTranslated(t *testing.T) {
	for code, cause := range map[string]error{"disk_full": api.ErrDiskFull, "store_unavailable": api.ErrUnavailable} {
		i := New(config, nil, broken{cause}, prometheus.NewRegistry())
		_, err := i.Accept(t.Context(), post("?user=a&user=b", "x"), pub, all)
		expect(t, code, err, 503, code)
		if !errors.Is(err, cause) {
			t.Errorf("%s: %v", code, err)
		}
	}
	i := New(config, nil, broken{errors.New("secret internals")}, prometheus.NewRegistry())
	_, err := i.Accept(t.Context(), post("?user=a", "x"), pub, all)
	expect(t, "unknown", err, 503, "store_unavailable")
	if strings.Contains(problem.Of(err).Detail, "secret") {
		t.Error("internals are shown")
	}
}

func TestAcceptEventChecksTheSame(t *testing.T) {
	i, n := open(t)
	id, err := i.AcceptEvent(t.Context(), pub, all, "topic.chat", "said", []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if stored := read(t, n, "topic.chat"); len(stored) != 1 || n.CursorAt(stored[0].Seq) != id || string(stored[0].Data) != `{"a":1}` {
		t.Errorf("%d stored, id %q", len(stored), id)
	}
	_, err = i.AcceptEvent(t.Context(), pub, all, "topic.>", "", nil)
	expect(t, "subject", err, 400, "bad_subject")
	_, err = i.AcceptEvent(t.Context(), pub, all, "topic.a", "weft.x", nil)
	expect(t, "type", err, 422, "bad_event")
	_, err = i.AcceptEvent(t.Context(), pub, all, "topic.a", "", bytes.Repeat([]byte("x"), 1<<20+1))
	expect(t, "size", err, 413, "too_large")
	_, err = i.AcceptEvent(t.Context(), pub, func(string) bool { return false }, "topic.a", "", nil)
	expect(t, "may", err, 403, "forbidden")
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBodyThatBreaksOff(t *testing.T) {
	i := New(config, nil, broken{errors.New("asked")}, prometheus.NewRegistry())
	r := httptest.NewRequest("POST", "/?user=a", cut{})
	_, err := i.Accept(t.Context(), r, pub, all)
	expect(t, "cut", err, 400, "bad_request")
}
