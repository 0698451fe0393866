// Package netpoll keeps open TCP connections without a goroutine each.
//
// A Poller takes a connection over from its net.Conn, holds it in an epoll set
// (epoll(7)) and lets one worker per core read, write and close it: an idle
// connection costs a small record and nothing else. What is to be written is
// pulled from the connection's Client when a worker comes to it, so that what
// has gathered meanwhile goes out in one write.
//
// A worker never waits for a peer: what the kernel does not take stays until it
// does, and who takes too little for too long is given up. Connections that ask
// for little go before large fan-outs, which are worked off in pieces, and by all
// workers but one at a time: one core is left to what else there is to do, such as
// the next event.
//
// # The trick
//
// net would keep for each connection a descriptor of the runtime's, a goroutine with
// its stack and buffers, and wake that goroutine for each write. Here the descriptor
// is taken out of the runtime, registered edge-triggered in an epoll set of the poller's
// own, and only that set's descriptor waits in the runtime's poller. With Config.RawCalls
// the calls that never wait are not announced to the scheduler either. tuning.own_http
// false does without all of it: net/http then keeps a goroutine for each connection.
//
// # Locks
//
// A Conn belongs to one worker for life, and what is written in it without an atomic is
// that worker's. Poller.mu guards the table of connections, worker.mu the queues of
// connections that are to be looked at. Neither is held while the other is taken, nor
// while a Client is called; so a Client may take its own locks, and Wake, Resume, Hurry,
// SetClient and Release, which take worker.mu, may be called with any lock held.
//
// It exists on Linux. Elsewhere Supported is false and New's Poller takes
// nothing; the caller then keeps a goroutine per connection.
package netpoll

import (
	"errors"
	"time"
)

var (
	// ErrNotTCP is returned by Attach for what is no plain TCP connection.
	ErrNotTCP = errors.New("not a plain TCP connection")
	// ErrClosed is given to clients when the Poller ends, and returned by Attach
	// after that.
	ErrClosed = errors.New("the poller is closed")
	// ErrSlow is given to clients whose peer took too little for too long.
	ErrSlow = errors.New("the peer takes nothing")
	// ErrDone is given to clients whose last frame was written.
	ErrDone = errors.New("done")
)

// A Client is whose connection it is. Its methods are called one at a time, by
// one goroutine that serves many connections, and must not block.
type Client interface {
	// Take hands over what is to be written, in order; the frames must not
	// change any more. With last, the connection is closed after them.
	Take() (frames [][]byte, last bool)
	// Wrote tells that all that was taken is in the kernel's hands: n bytes.
	Wrote(n int)
	// Receive is given what the peer sent; b is the poller's again afterwards.
	Receive(b []byte) Action
	// Closed is told once, last: ErrDone when all is written (the connection may
	// linger for the peer to read it), another sentinel of this package, io.EOF
	// when the peer closed, or the system's error.
	Closed(err error)
}

// A Leaver is a Client that may leave something that was received to the next
// one; Rest is called once, when the connection changes hands.
type Leaver interface {
	Client
	Rest() []byte
}

// An Action says how to go on after something was received.
type Action int

const (
	// Go reads on.
	Go Action = iota
	// Pause reads no more until Conn.Resume.
	Pause
	// Drop closes the connection.
	Drop
)

// Config is what a Poller needs to know.
type Config struct {
	// Workers is how many goroutines do the work; 0 is one per core.
	Workers int
	// Timeout is how long a peer may take less than Piece bytes while there is
	// something to write.
	Timeout time.Duration
	// RawCalls makes the system calls that never wait without telling the runtime's
	// scheduler of them, which costs less. False: with telling it.
	RawCalls bool
	// Linger is how long a connection may stay open after its last frame, for
	// the peer to read it and close.
	Linger time.Duration
}

// Piece is how many bytes a peer must take within Config.Timeout, and the most
// that is written to one connection before the others have their turn.
const Piece = 64 << 10
