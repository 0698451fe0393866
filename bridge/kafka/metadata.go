package kafka

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"weft/jetstream/store"
)

// metadataMost bounds the metadata of a commit that is looked at; the broker takes
// 4,096 bytes as a rule.
const metadataMost = 128

// What a commit's metadata looks like:
//
//	weft1 stream=<identity, hex> seq=<sequence> offset=<the committed offset>
//
// It says that of this partition's records from the offset on, none is stored in this
// life of the stream up to the sequence. The offset is there since tools that move or copy
// commits may take the metadata along to another one.
const metadataVersion = "weft1"

// metadataOf is the metadata of a commit, empty without a place.
func metadataOf(p store.Place, offset int64) string {
	if p.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s stream=%x seq=%d offset=%d", metadataVersion, p.Stream[:], p.Seq, offset)
}

// placeIn reads the metadata of a commit of offset. Anyone may have written it: whatever
// is not to the letter what metadataOf makes for this offset is no place.
func placeIn(text string, offset int64) store.Place {
	if len(text) > metadataMost || offset < 0 {
		return store.Place{}
	}
	var p store.Place
	for field := range strings.SplitSeq(text, " ") {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "stream":
			if len(value) != hex.EncodedLen(len(p.Stream)) {
				return store.Place{}
			}
			if _, err := hex.Decode(p.Stream[:], []byte(value)); err != nil {
				return store.Place{}
			}
		case "seq":
			var err error
			if p.Seq, err = strconv.ParseUint(value, 10, 64); err != nil {
				return store.Place{}
			}
		}
	}
	if p.IsZero() || metadataOf(p, offset) != text {
		return store.Place{}
	}
	return p
}
