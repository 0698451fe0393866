package event_test

import (
	"errors"
	"fmt"

	"weft/jetstream/event"
)

// A source fills an event in and checks it; what passes can be stored and delivered.
func ExampleEvent_Check() {
	e := event.Event{
		Subject: "user.ann",
		Type:    "order.paid",
		Header:  map[string]string{"content-type": "application/json"},
		Data:    []byte(`{"order":7}`),
		ID:      event.RecordID("cluster", "orders", 0, 42),
	}
	fmt.Println(e.Check())

	bad := event.Event{Subject: e.Subject, Header: e.Header, Data: []byte(`{"order":`)}
	fmt.Println(bad.Check())
	fmt.Println(errors.Is(bad.Check(), event.ErrJSON))
	// Output:
	// <nil>
	// not JSON, which application/json has to be
	// true
}

// The id of an event on the wire is the cursor of its reader: where to go on.
func ExampleCursor() {
	const ann, team = "user.ann", "topic.team.red"
	c := event.Cursor{Floor: 100, Above: map[event.SubjectHash]uint64{event.HashSubject(team): 120}}

	same, err := event.ParseCursor(c.String())
	fmt.Println(same.Of(ann), same.Of(team), err)

	_, err = event.ParseCursor("42")
	fmt.Println(errors.Is(err, event.ErrCursor))
	// Output:
	// 100 120 <nil>
	// true
}

// Each way in has message ids of its own: what a stranger sends never takes the place of
// what another one did.
func ExamplePublisher() {
	ann, bob := event.PublicUser("ann"), event.PublicUser("bob")
	first := ann.EventID("/orders", "7")
	again := ann.EventID("/orders", "7")
	fmt.Println(again == first)
	fmt.Println(bob.EventID("/orders", "7") == first)
	// Output:
	// true
	// false
}
