package api_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
)

func TestAcknowledgementsSayWhatBecameOfAMessage(t *testing.T) {
	for text, want := range map[string]struct {
		ack api.Ack
		err error
	}{
		`{"stream":"EVENTS","seq":7}`:                   {api.Ack{Seq: 7}, nil},
		`{"stream":"EVENTS","seq":7,"duplicate": true}`: {api.Ack{Seq: 7, Duplicate: true}, nil},
		`{"stream": "EVENTS", "seq": 7, "domain":"d"}`:  {api.Ack{Seq: 7}, nil},
		`{"stream":"EVENTS","domain":"d","seq":7}`:      {api.Ack{Seq: 7}, nil},
		`{"stream":"a\",\"seq\":9}","seq":7}`:           {api.Ack{Seq: 7}, nil},
		`{"stream":"EVENTS","seq":0}`:                   {api.Ack{}, api.ErrUnavailable},
		`{"stream":"EVENTS","seq":-1}`:                  {api.Ack{}, api.ErrUnavailable},
		`{"stream":"EVENTS"}`:                           {api.Ack{}, api.ErrUnavailable},
		`no JSON`:                                       {api.Ack{}, api.ErrUnavailable},
		``:                                              {api.Ack{}, nats.ErrNoResponders},
		`{"error":{"code":400,"err_code":10054,"description":"too large"}}`:     {api.Ack{}, api.ErrRefused},
		`{"error":{"code":500,"err_code":10047,"description":"no space"}}`:      {api.Ack{}, api.ErrDiskFull},
		`{"error":{"code":500,"err_code":10023,"description":"no resources"}}`:  {api.Ack{}, api.ErrDiskFull},
		`{"error":{"code":400,"err_code":10071,"description":"last sequence"}}`: {api.Ack{}, api.ErrExists},
		`{"error":{"code":503,"err_code":10008,"description":"away"},"seq":7}`:  {api.Ack{}, api.ErrUnavailable},
	} {
		ack, err := api.AckOf(&nats.Msg{Data: []byte(text)})
		if ack != want.ack || !errors.Is(err, want.err) {
			t.Errorf("%s: %+v, %v", text, ack, err)
		}
	}
}

func TestAPlainAcknowledgementCostsNoMemory(t *testing.T) {
	data := []byte(`{"stream":"EVENTS","seq":123456}`)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := api.ParseAck(data); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
