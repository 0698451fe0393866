// Playground shows Weft at work on one machine: a Weft node, a broker that
// speaks the Kafka protocol, and a web page on which two users stand side by
// side and lose nothing.
//
//	go run ./test/playground
//
// It builds the weft binary and runs it as a child with a generated
// configuration in a temporary folder, so that what is seen is the real thing
// and the binary itself carries neither the broker nor the page. Everything
// listens on loopback and ends, folder included, with Ctrl-C.
//
//	page ──▶ playground ──┬─ Kafka record ──▶ broker ──┐
//	  ▲                   ├─ NATS publish ─────────────┼──▶ weft ──┐
//	  │                   └─ HTTP POST (admin) ────────┘           │
//	  └──────────── SSE · WebSocket · long poll ◀──────────────────┘
//
// With -nodes 3 it is a cluster of three behind HAProxy. Numbered events flow to
// a few users all the time, and the page shows what each of them gets while one
// ends and starts the nodes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	opts := options{wish: usual}
	flag.StringVar(&opts.wish.Page, "listen", usual.Page, "`address` of the page; loopback only")
	nodes := flag.Int("nodes", 1, "`number` of nodes: 1, or 3, or 5; several form a cluster behind a balancer")
	flag.StringVar(&opts.binary, "weft", "", "`path` of a weft binary to run instead of building one")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "playground: error: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	switch *nodes {
	case 1:
	case 3, 5:
		opts.members = usualMembers(*nodes)
	default:
		fmt.Fprintf(os.Stderr, "playground: error: -nodes %d is none of 1, 3, 5\n", *nodes)
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)

	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, opts, log, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "playground: error:", err)
		var h *hintError
		if errors.As(err, &h) {
			fmt.Fprintln(os.Stderr, "playground: hint:", h.hint)
		}
		os.Exit(1)
	}
}

// A hintError is an error for which we can guess what helps.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
