// Package feed brings stored events to the connections of a node: live while
// they come, from the store when a client comes back, always in order and each
// once per connection.
//
// A feed is one subject on one node. It asks for the delivery copies of the subject,
// knows the sequence up to which it has handed on everything (its cursor), and notices a
// gap by the sequence that each copy names as its predecessor; what is missing is read
// from the store before anything newer is handed on. A feed exists while connections
// follow it and a little longer. A wildcard has a consumer instead of copies.
//
// Delivery copies may be lost when the stream's leader changes or a connection
// breaks. So the node sends ticks through the stream: a tick that came back
// while nothing changed is safe, that is, everything below it was handed on. The newest
// safe one is the low watermark. After a change all that came since is read again, which
// is a resync. A copy is no proof, for whoever gets past the accounts could send one: what
// only copies speak for is unconfirmed until the store or a safe tick confirms it, and
// rolled back if the store does not have it.
//
// A Reader is one connection's set of subjects with its cursor, and a subscription is one
// of them. Where history that it needs is gone it is told by a reset; it is never left
// waiting for what cannot come.
//
// # States
//
// Three things have states, each with a table of what happens above the one place where
// it changes: a feed (feedState in feed.go: opening, live, catching up; what its worker
// does meanwhile is in catchup.go), a subscription (subState in subscription.go: joining,
// replaying, live, gone), and the watch over the ticks (watchState in watch.go: starting,
// steady, settling, resyncing).
//
// # Locks
//
// This is the order in which the locks on the way of an event are taken, here and in the
// packages that it comes to next. Who holds one may take those below it, never one above:
//
//  1. feed.mu: where a subject stands. Taken by the reader of the copies for each of
//     them, and by the worker of a feed.
//  2. Reader.mu: where a connection stands. Taken for each event and connection, with
//     feed.mu held while it is live, and without while its history is read. All methods
//     of a Receiver but Room and Owner are called with it, so they must not block and must
//     not call the Reader.
//  3. the queue's, in edge/session: what waits to be written to a connection.
//  4. the worker's, in edge/netpoll: which connections have something to be written.
//
// With none of them held the store or a client is waited for. Beside the order stand
// Reader.joins, which is taken before all others and held for a whole Subscribe;
// directory.mu, with which no feed or Reader is locked, but openings and a lifetime; and
// locks with which nothing else is taken: of the live connection, the openings, claims,
// queries, ticks and lifetimes.
package feed
