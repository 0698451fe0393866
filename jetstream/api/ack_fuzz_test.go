package api_test

import (
	"encoding/json"
	"testing"

	"weft/jetstream/api"
)

// FuzzAck compares with encoding/json what is read without decoding it.
func FuzzAck(f *testing.F) {
	for _, text := range []string{`{"stream":"EVENTS","seq":7}`, `{"stream":"EVENTS","seq":7,"duplicate": true}`, `{"stream":"E","seq":07}`,
		`{"stream":"a\",\"seq\":9}","seq":7}`, `{"error":{"code":400,"err_code":10054,"description":"too large"}}`, `{"stream":"E","seq":+7}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ack, err := api.ParseAck(text)
		if err != nil {
			return
		}
		var plain struct {
			Error     *struct{}
			Seq       uint64
			Duplicate bool
		}
		if ack.Seq == 0 {
			t.Fatal("nothing was stored")
		}
		if json.Unmarshal(text, &plain) == nil && (ack != api.Ack{Seq: plain.Seq, Duplicate: plain.Duplicate} || plain.Error != nil) {
			t.Fatalf("%+v, want %+v", ack, plain)
		}
	})
}
