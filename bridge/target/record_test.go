package target

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"weft/bridge"
	"weft/edge/route"
	"weft/edge/route/template"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// sarama's metrics library keeps one goroutine for the life of a process.
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

func newTarget(t testing.TB, replies Replies) *Kafka {
	k, err := New(bridge.KafkaConfig{}, replies, nil, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func to(topic string) *route.Route {
	return &route.Route{Scheme: route.Kafka, Targets: []route.Target{{Host: topic}}, BodyLimit: 1 << 20}
}

func TestBodiesThatWaitAreBounded(t *testing.T) {
	k := newTarget(t, nil)
	k.bodies.Set(3000, full())
	make := func(body string) (*record, error) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		return k.record(r, &route.Call{Route: to("orders"), Request: r}, "c")
	}
	first, err := make(strings.Repeat("x", 2000))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := make(strings.Repeat("x", 2000)); err == nil || err.Error() != full().Error() {
		t.Errorf("%v, want that there is no room", err)
	}
	if _, err := make("x"); err == nil {
		t.Error("a record costs its bytes alone")
	}
	first.finish(nil)
	second, err := make(strings.Repeat("x", 2000))
	if err != nil {
		t.Fatalf("room that was given back is not there: %v", err)
	}
	second.finish(late())
	if left := k.bodies.Free(); left != 3000 {
		t.Errorf("%d bytes are free at the end", left)
	}
}

// What a client sends can neither stand in a header that is ours nor in one whose name has
// capitals.
func FuzzHeadersOfARecord(f *testing.F) {
	f.Add("Weft-Correlation", "forged", true)
	f.Add("Ce-Type", "%ff%00", true)
	f.Add("Ce-", "x", false)
	f.Add("WEFT-REPLY-TOPIC", "x", false)
	f.Fuzz(func(t *testing.T, name, value string, event bool) {
		k := newTarget(t, nil)
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("body"))
		r.Header[name] = []string{value}
		to := to("orders")
		if event {
			kind, err := template.Parse("order", template.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			to.CloudEvent = &route.CloudEvent{Type: kind, Source: "/shop"}
		}
		rec, err := k.record(r, &route.Call{Route: to, Request: r}, "own")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{headerCorrelation: "own", headerReplyTopic: ""}
		if event {
			want["ce_id"], want["ce_type"], want["ce_source"], want["ce_specversion"] = "own", "order", "/shop", "1.0"
		}
		for _, h := range rec.headers {
			if lower := bytes.ToLower(h.Key); !bytes.Equal(lower, h.Key) {
				t.Errorf("a header is called %q", h.Key)
			}
			if have, ours := want[string(h.Key)]; ours && have != string(h.Value) {
				t.Errorf("%s is %q", h.Key, h.Value)
			}
		}
	})
}

// answersTaken is what was taken.
type answersTaken struct{ mine, foreign, bad int }

func (a *answersTaken) Mine(c string) bool { return strings.HasPrefix(c, "me.") }

func (a *answersTaken) Take(_ string, answer *route.Answer, err error) {
	switch {
	case answer != nil && err == nil:
		a.mine++
	case err != nil:
		a.bad++
	default:
		a.foreign++
	}
}

// A record on a reply topic is one answer at most, whatever it holds.
func FuzzAnswer(f *testing.F) {
	f.Add("weft-correlation", "me.1", "weft-status", "201", []byte("x"))
	f.Add("WEFT-Correlation", "other", "weft-correlation", "me.2", []byte{})
	f.Add("weft-status", "7", "weft-correlation", "me.2", []byte{})
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string, body []byte) {
		taken := &answersTaken{}
		k := newTarget(t, taken)
		k.take(&sarama.ConsumerMessage{Value: body, Headers: []*sarama.RecordHeader{
			{Key: []byte(name1), Value: []byte(value1)}, {Key: []byte(name2), Value: []byte(value2)}}})
		named := strings.EqualFold(name1, headerCorrelation) || strings.EqualFold(name2, headerCorrelation)
		if n := taken.mine + taken.foreign + taken.bad; n > 1 || !named && n > 0 {
			t.Errorf("%+v", taken)
		}
	})
}
