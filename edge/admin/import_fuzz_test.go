package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"weft/edge/problem"
)

// FuzzImportLine reads lines of an export from outside. An entry that is taken is
// exported as the same again.
func FuzzImportLine(f *testing.F) {
	for _, text := range []string{`{"weft":"export","version":1,"node":"n1","time":"2026-01-02T03:04:05Z"}`, `{"weft":"end","entries":1}`,
		`{"bucket":"blacklist","key":"user.ann","value":"revoked","made":"2026-01-02T03:04:05Z","expires":"2026-01-03T03:04:05.6Z"}`,
		`{"bucket":"routes","key":"a","value_base64":"/w=="}`, `{} x`, `{"weft":"other"}`} {
		f.Add([]byte(text), []byte(`{"bucket":"routes","key":"b","value":"v"}`))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		im := importing{}
		for _, text := range [][]byte{one, two, one} {
			im.number++
			before := len(im.batch)
			err := im.line(text)
			if p := (*problem.Problem)(nil); err != nil && (!errors.As(err, &p) || p.Code != problem.BadRequest) {
				t.Fatal(err)
			}
			if err != nil || len(im.batch) == before {
				continue
			}
			e := im.batch[before]
			line, err := json.Marshal(lineOf(e))
			if err != nil {
				continue // a time that RFC 3339 cannot write
			}
			again := importing{}
			if err := again.line(line); err != nil || len(again.batch) != 1 {
				t.Fatalf("%s cannot be imported again: %v", line, err)
			}
			if a := again.batch[0]; a.Bucket != e.Bucket || a.Key != e.Key || !bytes.Equal(a.Value, e.Value) || !a.Made.Equal(e.Made) || !a.Expires.Equal(e.Expires) {
				t.Fatalf("%+v is %+v when it is exported and imported", e, a)
			}
		}
		if im.entries != len(im.batch) || len(im.lines) != len(im.batch) {
			t.Fatalf("%d entries, %d in the batch of lines %v", im.entries, len(im.batch), im.lines)
		}
	})
}
