package ingress

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// answer tells a publisher, if it wants to know, and has an inbox: what it may not publish
// the ingress could. An error shows on the next read.
func (f *forwarding) answer(reply, data []byte) {
	if !subject.IsInbox(reply) {
		return
	}
	_ = f.client.Send(func(b []byte) []byte {
		b = append(append(append(b, "PUB "...), reply...), ' ')
		b = append(strconv.AppendInt(b, int64(len(data)), 10), "\r\n"...)
		return append(append(b, data...), "\r\n"...)
	})
}

// refuse tells a publisher that its message is not stored.
func (f *forwarding) refuse(reply []byte, err error) {
	if len(reply) > 0 {
		f.answer(reply, refusalText(err))
		_ = f.client.Flush() // see answer
	}
}

// appendID appends a stream's acknowledgement with the id of the event as one more member.
func appendID(b, ack []byte, id string) []byte {
	end := bytes.LastIndexByte(ack, '}') // it was read as an object
	b = append(append(append(b, ack[:end]...), `,"id":"`...), id...)
	return append(append(b, '"'), ack[end:]...)
}

// copies are the events that one message has become, of which its publisher is told once
// all are answered. When the time of one is over it is told nothing.
type copies struct {
	reply []byte
	acks  []api.Ack
	left  int
	err   error // of the first that was not stored
}

func newCopies(reply []byte, n int) *copies {
	return &copies{reply: slices.Clone(reply), acks: make([]api.Ack, n), left: n}
}

// settle enters the answer for a copy, and returns what is told after the last one: an
// acknowledgement with the sequence and the id of the event that was stored last, and the
// ids of all. Nothing is stored twice when the message is sent again with its message id.
func (c *copies) settle(i int, ack api.Ack, err error, id func(seq uint64) string) []byte {
	if c.acks[i] = ack; err != nil && c.err == nil {
		c.err = err
	}
	if c.left--; c.left > 0 || len(c.reply) == 0 {
		return nil
	}
	if c.err != nil {
		return refusalText(c.err)
	}
	told := struct {
		Stream    string   `json:"stream"`
		Seq       uint64   `json:"seq"`
		Duplicate bool     `json:"duplicate,omitempty"`
		ID        string   `json:"id"`
		IDs       []string `json:"ids"`
	}{Stream: event.StreamName, Duplicate: true}
	for _, a := range c.acks {
		told.IDs = append(told.IDs, id(a.Seq))
		told.Seq = max(told.Seq, a.Seq)
		told.Duplicate = told.Duplicate && a.Duplicate
	}
	told.ID = id(told.Seq)
	text, err := json.Marshal(told)
	if err != nil {
		return nil // texts and numbers cannot fail
	}
	return text
}
