// Command load measures what connections and deliveries cost an event server.
//
//	load bench   runs Weft and two plain servers and prints what each costs
//	load routes  runs requests through Weft's routes and a plain reverse proxy
//	load fill    fills nodes with events and prints what memory they keep
//	load tail    shows how late the slowest events are, beside Centrifugo
//	load soak    lets visitors come and go for an hour, and prints what grows
//	load drive   drives any server of Server-Sent Events or WebSocket
//
// README.md beside it tells how to read what it prints. It needs Linux: it reads
// /proc, and its subscribers are epoll sets (package crowd).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

const usage = `usage: load bench [flags]
       load routes [flags]
       load fill [flags]
       load tail [flags]
       load soak [flags]
       load drive [flags]
       load bench -h, load fill -h, …   list the flags
`

// errInvalid is the error of a run whose figures say nothing.
var errInvalid = errors.New("this run is invalid")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "load: error:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("there is no /proc and no epoll on %s; load needs Linux", runtime.GOOS)
	}
	if len(args) > 0 {
		switch args[0] {
		case "bench":
			return benchCommand(ctx, args[1:])
		case "routes":
			return routesCommand(ctx, args[1:])
		case "fill":
			return fillCommand(ctx, args[1:])
		case "tail":
			return tailCommand(ctx, args[1:])
		case "soak":
			return soakCommand(ctx, args[1:])
		case "drive":
			return driveCommand(ctx, args[1:])
		}
	}
	fmt.Fprint(os.Stderr, usage)
	return flag.ErrHelp
}
