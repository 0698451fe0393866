// Package ingress stores what NATS publishers send.
//
// An ingress reads, from the account of a publisher, user.<user> and topic.<topic>
// within the limits of an event, and stores it as the node. Of the headers those of the
// stream itself are taken away; a message id counts among the ids of the same publisher.
// What it asks of the stream it asks under a reply of its own and passes the
// acknowledgement on, so nothing of the publisher's choice but event and payload comes
// into the nodes' account.
//
// It keeps the order of what it reads, and has a bounded number of messages on their
// way; while that is exhausted it reads no more, and what is sent waits in the server. When
// much waits the server reads more slowly from who sends, 10 ms later for each 64 KB of a
// connection: that holds back one publisher, but not many that wait for no
// acknowledgement, of whom the server drops what is beyond its bound. It tries
// nothing twice: a publisher that is told nothing must send again. A refusal is told in
// the words of a stream, counted by cause, and logged once a minute and cause.
package ingress
