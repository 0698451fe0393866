package event

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestTheHeadersOfACopyAreThePublishersAlone(t *testing.T) {
	const stamps = "Nats-Stream: EVENTS\r\nNats-Subject: user.ann\r\nNats-Sequence: 7\r\nNats-Last-Sequence: 3\r\nNats-Time-Stamp: 2026-01-02T03:04:05Z\r\n\r\n"
	header := "NATS/1.0\r\nNats-Msg-Id: m\r\nnats-x: y\r\ntraceparent: 00-1\r\nce-source:/s\r\nweft-source: kafka 1\r\nCe-Id: 1\r\n" + stamps
	var c Copy
	c.Parse([]byte("out.user.ann"), []byte(header), []byte("data"))
	const want = "traceparent:00-1\nce-source:/s\nCe-Id:1\n"
	if got := string(c.AppendHeaders(nil)); c.Err != nil || got != want || c.HeaderBytes() != len(want) {
		t.Errorf("headers %q, said to be %d bytes, %v; want %q", got, c.HeaderBytes(), c.Err, want)
	}
	h := Headers(want)
	if got := h.Value("Traceparent"); got != "00-1" {
		t.Errorf("traceparent is %q", got)
	}
	if got := h.Value("trace"); got != "" {
		t.Errorf("there is a header trace: %q", got)
	}
	c.Parse([]byte("out.user.ann"), []byte("NATS/1.0\r\nNats-Msg-Id: m\r\nweft-source: http\r\n"+stamps), []byte("data"))
	if c.Err != nil || c.HeaderBytes() != 0 || c.AppendHeaders(nil) != nil {
		t.Errorf("a copy of which its publisher says nothing has headers: %q", c.AppendHeaders(nil))
	}
}

func TestTheHeadersOfAStoredMessageAreThoseOfItsCopy(t *testing.T) {
	s := Stored{Header: nats.Header{"Nats-Sequence": {"7"}, "weft-source": {"http"}, "traceparent": {"00-1", "00-2"}, "ce-id": {"1"}}}
	if got := string(s.Headers()); got != "ce-id:1\ntraceparent:00-1\ntraceparent:00-2\n" {
		t.Errorf("headers %q", got)
	}
	s.Header = nats.Header{"Nats-Sequence": {"7"}, "weft-source": {"http"}}
	if got := s.Headers(); got != nil {
		t.Errorf("headers %q of which there are none", got)
	}
}

func TestAttributesAreNamedAsCloudEventsAllows(t *testing.T) {
	h := Headers("ce-id:1\nCE-Source:/a%20b\nce-data:x\nce-a_b:x\nce-:x\nce-größe:x\nceid:x\nce-" + strings.Repeat("a", 101) + ":x\nce-time\nce-ok2:\"q \\\" q\"\nce-bad:100% sure\n")
	var got []string
	for name, value := range h.Attributes() {
		got = append(got, name+"="+value)
	}
	if want := []string{"id=1", "source=/a b", `ok2=q " q`, "bad=100% sure"}; !slices.Equal(got, want) {
		t.Errorf("attributes %q, want %q", got, want)
	}
}
