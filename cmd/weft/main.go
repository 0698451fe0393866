// Weft is an event gateway in one binary. Back ends publish events to Kafka, to
// a NATS subject or over HTTP; weft stores each one for the user it is for and
// pushes it to every browser and device that user has open. Requests of the front end go
// the way back, by routes, to HTTP servers, NATS services and Kafka.
//
//	weft serve     run a node
//	weft config    print the effective configuration, or the reference of all keys
//	weft token     mint a token for development
//	weft publish   publish an event through the admin listener
//	weft listen    print a user's events as they arrive, and resume by itself
//	weft users     show who is online, by prefix or topic
//	weft user      show whether a user is online, and on which connections
//	weft disconnect  end the connections of a user, or one of them
//	weft revoke    cut a session or a user off, take that back, list what is revoked
//	weft route     show, change and try the routes from the front end to the back ends
//	weft health    ask whether a node is healthy, as a container's health check does
//	weft cluster   look at a cluster, and remove a dead node from it
//	weft export    write blacklist and routes to standard output
//	weft import    read them from standard input
//	weft drain     make a node say goodbye and stop, as SIGTERM does
//	weft version   print what was built
//
// Exit codes: 0 done, 1 failed, 2 used wrongly.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes of the command.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	// The first signal ends ctx and with it everything in order; from then on
	// the signals have their usual effect, so that a second one ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	report(os.Stderr, err)
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}
