// Package natsconn is a client of the NATS protocol (docs.nats.io, "NATS Protocols")
// for the two roads that every event takes: from a publisher into the store, and from
// the store to those who are connected.
//
// Unlike the client library, a Conn hands over what it reads in place, without an
// allocation or a goroutine per message, and it is sent no more than it reads: what
// waits does so in the server, which slows its publishers down. What is sent is gathered
// until it is much, or until Flush. It knows neither the subjects nor the stream, does
// not connect again, and expects nothing of the server: a line, header or message beyond
// its bounds ends it with an error.
//
// A Live is a Conn that reads delivery copies and does connect again.
package natsconn
