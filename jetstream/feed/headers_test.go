package feed_test

import (
	"slices"
	"testing"

	"weft/jetstream/event"
	"weft/jetstream/feed"
)

// A headed client records what publishers say in headers.
type headed struct{ *client }

func (h headed) Event(m *feed.Message, id string) {
	h.note(func() {
		attributes := ""
		for name, value := range m.Headers().Attributes() {
			attributes += " " + name + "=" + value
		}
		h.events, h.id = append(h.events, string(m.Data)+" "+m.Headers().Value("traceparent")+attributes), m.ID()
	})
}

func TestWhatPublishersSayInHeadersComesLiveAsHistoryAndByWildcards(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	events := []event.Event{
		{Subject: "topic.a", Type: "x", Data: []byte("1"), Source: event.SourceHTTP, Header: map[string]string{"traceparent": "00-1", "ce-id": "A%20B"}},
		{Subject: "topic.a", Data: []byte("2"), Source: event.SourceHTTP},
	}
	join := func(start feed.Start, subject string) headed {
		c := headed{newClient(t)}
		r, err := h.Follow(t.Context(), []string{subject}, start, c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return c
	}
	readers := map[string]headed{"live": join(feed.Start{}, "topic.a"), "by a wildcard": join(feed.Start{}, "topic.*")}
	for i := range events {
		if _, errs := h.node.Store().PublishAll(t.Context(), events[i:i+1]); errs[0] != nil {
			t.Fatal(errs[0])
		}
	}
	readers["as history"], readers["by a wildcard, as history"] = join(all, "topic.a"), join(all, "topic.*")
	for how, c := range readers {
		c.untilEvents(2)
		got := c.seen()
		one, two := slices.Contains([]string{"1 00-1 id=A B type=x", "1 00-1 type=x id=A B"}, got[0]), got[1] == "2 "
		if !one || !two {
			t.Errorf("%s: %q", how, got)
		}
	}
}
