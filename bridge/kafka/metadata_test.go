package kafka

import (
	"strings"
	"testing"

	"weft/jetstream/event"
	"weft/jetstream/store"
)

func TestOnlyWhatWeftWroteForTheOffsetIsAPlace(t *testing.T) {
	place := store.Place{Stream: event.StreamID{1, 2, 3, 0xab, 0, 255}, Seq: 4711}
	text := metadataOf(place, 12)
	if text != "weft1 stream=010203ab00ff seq=4711 offset=12" {
		t.Errorf("metadata %q", text)
	}
	if got := placeIn(text, 12); got != place {
		t.Errorf("read %v, want %v", got, place)
	}
	if got := metadataOf(store.Place{Seq: 3}, 12); got != "" {
		t.Errorf("without a place there is metadata: %q", got)
	}
	for _, foreign := range []string{"", " ", "weft1", "ann@host", text + " ", " " + text, text + " offset=12",
		strings.Replace(text, "weft1", "weft2", 1), strings.Replace(text, "4711", "04711", 1), strings.Replace(text, "4711", "+4711", 1),
		strings.Replace(text, "4711", "-1", 1), strings.Replace(text, "4711", "99999999999999999999", 1),
		strings.Replace(text, "ab", "AB", 1), strings.Replace(text, "010203", "0102", 1), strings.Replace(text, "010203ab00ff", "000000000000", 1),
		strings.Replace(text, "offset=12", "offset=13", 1), strings.ToUpper(text), text + strings.Repeat(" ", 5000),
		"weft1 stream=010203ab00ff offset=12", "weft1 seq=4711 offset=12", "weft1 seq=4711 stream=010203ab00ff offset=12",
		"weft1 stream=010203ab00ff seq=1 seq=4711 offset=12"} {
		if got := placeIn(foreign, 12); !got.IsZero() {
			t.Errorf("%q is read as %v", foreign, got)
		}
	}
	if got := placeIn(text, 13); !got.IsZero() {
		t.Errorf("the metadata of another offset is read as %v", got)
	}
	if got := placeIn(metadataOf(place, -1), -1); !got.IsZero() {
		t.Errorf("without a commit the metadata is read as %v", got)
	}
}

func FuzzMetadataOfACommit(f *testing.F) {
	f.Add("weft1 stream=010203ab00ff seq=4711 offset=12", int64(12))
	f.Add("weft1 stream=010203ab00ff seq=18446744073709551615 offset=0", int64(0))
	f.Add("", int64(-1))
	f.Add("a=b stream= seq= offset", int64(5))
	f.Fuzz(func(t *testing.T, text string, offset int64) {
		p := placeIn(text, offset)
		if !p.IsZero() && (metadataOf(p, offset) != text || offset < 0 || len(text) > metadataMost) {
			t.Errorf("%q at %d is read as %v", text, offset, p)
		}
	})
}
