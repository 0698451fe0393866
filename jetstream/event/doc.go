// Package event has the values that Weft is about, and nothing that runs: an event,
// what it may be and its message id; the message that the stream stores and the copy
// that it delivers; the cursor of a client.
//
// An Event is what a source hands to the store. Check is the one limit of all ways in:
// what passes it can be stored and delivered. Message makes the NATS message of it.
//
// A Stored is what the stream gives back. A Copy is the same, read in place from the
// bytes of the protocol without an allocation, since one is read for every delivery.
// Both read the headers that the stream adds as it writes them (NATS ADR-28), of which
// only the last value counts: a publisher's own come first.
//
// A Cursor is the position of a client; its text is the id of an event on the wire.
//
// Functions may be called concurrently; a value is not to be changed by two at once.
package event
