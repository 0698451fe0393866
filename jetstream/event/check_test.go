package event

import (
	"errors"
	"strings"
	"testing"

	"weft/jetstream/subject"
)

// header makes headers of name, value, ….
func header(pairs ...string) map[string]string {
	h := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = pairs[i+1]
	}
	return h
}

// longest is the longest topic that there may be, in bytes as written.
func longest(over int) string {
	s := subject.Topic
	for len(s)+201 <= subject.MaxBytes {
		s += strings.Repeat("a", 200) + "."
	}
	return s + strings.Repeat("a", subject.MaxBytes-len(s)+over)
}

func TestOneFunctionSaysWhatAnEventMayBe(t *testing.T) {
	errHeader := errors.New("an error about a header")
	structured := func(rest string) []byte {
		return []byte(`{"specversion":"1.0","id":"1","source":"/s"` + rest + `}`)
	}
	for name, c := range map[string]struct {
		e    Event
		want error
	}{
		"1 MiB":                    {Event{Data: make([]byte, 1048576)}, nil},
		"1 MiB and a byte":         {Event{Data: make([]byte, 1048577)}, ErrTooLarge},
		"nothing":                  {Event{}, nil},
		"a type of 200 bytes":      {Event{Type: strings.Repeat("x", 200)}, nil},
		"a type of 201 bytes":      {Event{Type: strings.Repeat("x", 201)}, ErrType},
		"a reserved type":          {Event{Type: "weft.x"}, ErrType},
		"a newline":                {Event{Type: "a\nb"}, ErrType},
		"a line separator":         {Event{Type: "a\u2028b"}, ErrType},
		"a type that is no UTF-8":  {Event{Type: "a\xff"}, ErrType},
		"a reserved type, header":  {Event{Header: header("ce-type", "weft.x")}, ErrType},
		"a reserved type, Header":  {Event{Header: header("Ce-Type", "weft.x")}, ErrType},
		"a control character":      {Event{Header: header("CE-TYPE", "a\x00b")}, ErrType},
		"a fine type, header":      {Event{Header: header("ce-type", "a")}, nil},
		"a line break in a header": {Event{Header: header("ce-id", "a\r\nNats-Msg-Id: b")}, errHeader},
		"a header of the stream":   {Event{Header: header("nAts-Sequence", "1")}, errHeader},
		"a header without a name":  {Event{Header: header("", "1")}, errHeader},
		"a colon in a name":        {Event{Header: header("a:b", "1")}, errHeader},
		"32 KiB of headers":        {Event{Header: header("a", strings.Repeat("x", 32<<10-5))}, nil},
		"more of headers":          {Event{Header: header("a", strings.Repeat("x", 32<<10-4))}, ErrTooLarge},
		"no subject":               {Event{Subject: "user."}, subject.ErrSubject},
		"not canonical":            {Event{Subject: "user.ann@x.org"}, subject.ErrSubject},
		"lower case":               {Event{Subject: "user.ann=40x=2eorg"}, subject.ErrSubject},
		"a wildcard":               {Event{Subject: "topic.>"}, subject.ErrSubject},
		"a copy":                   {Event{Subject: "out.user.ann"}, subject.ErrSubject},
		"a bucket":                 {Event{Subject: "$KV.blacklist.ann"}, subject.ErrSubject},
		"the longest subject":      {Event{Subject: longest(0)}, nil},
		"a longer subject":         {Event{Subject: longest(1)}, subject.ErrSubject},
		"JSON":                     {Event{Header: header("content-type", "application/json"), Data: []byte(`{"a":1}`)}, nil},
		"JSON with parameters":     {Event{Header: header("Content-Type", "Application/JSON ; charset=utf-8"), Data: []byte("[\xff]")}, ErrJSON},
		"no JSON":                  {Event{Header: header("content-type", "application/json"), Data: []byte(`{"a":1`)}, ErrJSON},
		"two values":               {Event{Header: header("content-type", "application/json"), Data: []byte(`1 2`)}, ErrJSON},
		"bad UTF-8 as JSON":        {Event{Header: header("content-type", "application/json"), Data: []byte("\"\xff\"")}, ErrJSON},
		"bad UTF-8 as a kind":      {Event{Header: header("content-type", "application/problem+json"), Data: []byte("\"\xff\"")}, ErrJSON},
		"bad UTF-8":                {Event{Header: header("content-type", "text/plain"), Data: []byte("\"\xff\"")}, nil},
		"nothing as JSON":          {Event{Header: header("content-type", "application/json")}, nil},
		"a CloudEvent":             {Event{Header: header("content-type", ContentTypeStructured), Data: structured(`,"type":"a"`)}, nil},
		"a CloudEvent, reserved":   {Event{Header: header("content-type", ContentTypeStructured), Data: structured(`,"type":"weft.x"`)}, ErrType},
		"a CloudEvent, bad UTF-8":  {Event{Header: header("content-type", ContentTypeStructured), Data: structured(",\"a\":\"\xff\"")}, ErrJSON},
		"a CloudEvent, no header":  {Event{Type: "a", Header: header("content-type", ContentTypeStructured, "ce-type", ""), Data: structured(`,"type":"weft.x"`)}, ErrType},
		"no CloudEvent at all":     {Event{Header: header("content-type", ContentTypeStructured)}, ErrJSON},
	} {
		if c.e.Subject == "" {
			c.e.Subject = "user.ann"
		}
		err := c.e.Check()
		switch {
		case c.want == errHeader:
			if err == nil || errors.Is(err, ErrType) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrJSON) {
				t.Errorf("%s: %v", name, err)
			}
		case !errors.Is(err, c.want):
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if again := c.e.Check(); (again == nil) != (err == nil) {
			t.Errorf("%s: %v at first, then %v", name, err, again)
		}
	}
}

// FuzzWhatIsTakenIsDelivered holds Check against what the delivery does with an
// event: it drops none that was taken.
func FuzzWhatIsTakenIsDelivered(f *testing.F) {
	f.Add("user.ann", "t", "content-type", ContentTypeStructured, []byte(`{"type":"weft.x"}`))
	f.Add("topic.a.b", "", "Ce-Type", "weft.x", []byte("x"))
	f.Add("user.a=40b", "", "Content-Type", "application/CloudEvents+json;a", []byte(`{"Type":"a\n"}`))
	f.Add("user.a", "t", "ce-type", "", []byte(`{"type":"weft.x"}`))
	f.Fuzz(func(t *testing.T, to, kind, name, value string, data []byte) {
		e := Event{Subject: to, Type: kind, Header: map[string]string{name: value}, Data: data}
		if name != HeaderContentType && len(value)%2 == 0 {
			e.Header[HeaderContentType] = ContentTypeStructured
		}
		if e.Check() != nil {
			return
		}
		m := e.Message("")
		got, err := TypeOf(&Stored{Subject: m.Subject, Header: m.Header, Data: m.Data})
		if err != nil {
			t.Fatalf("%+v was taken and would be dropped: %v", e, err)
		}
		if kind != "" && !strings.EqualFold(name, HeaderType) && got != kind {
			t.Fatalf("%+v has the type %q", e, got)
		}
	})
}
