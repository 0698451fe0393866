package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"syscall"

	"github.com/spf13/cobra"

	"weft/cmd/weft/platform"
	"weft/cmd/weft/settings"
	"weft/config"
	"weft/jetstream/server"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node",
		Long: `Runs a node until it gets SIGTERM or SIGINT. Then it is not ready any more and
its sources stop; in a cluster it waits for public.drain_delay, so that load
balancers notice. Its clients are told to come back elsewhere over
public.drain_window, what it leads in the cluster is handed over, and the store
is closed. A second signal ends it at once. SIGHUP is ignored.

The log goes to standard error. The line "ready" names the addresses.`,
		Example: "  weft serve --config weft.yaml",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hup := ignoreHangup()
			defer hup.end()
			l, err := load(cmd)
			if err != nil {
				return err
			}
			log := newLogger(cmd.ErrOrStderr(), l.Log)
			hup.tell(log)
			takeLibraryLog(log)
			return serve(cmd.Context(), l, log)
		},
	}
	fileFlag(cmd)
	overrideFlags(cmd)
	return cmd
}

// errDrain is why a node stops that was told to by POST /_weft/v1/drain.
var errDrain = errors.New("an operator asked the node to drain")

func serve(ctx context.Context, l *settings.Loaded, log *slog.Logger) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := examine(l, func(w config.Diagnostic) { log.Warn(w.Key+" "+w.Msg, "from", w.Origin.String()) }); err != nil {
		return err
	}
	platform.LogLacks(log)
	version, revision := build()
	log.Info("starting", "version", version, "revision", revision, "data_dir", l.Node.DataDir)
	n, err := openNode(ctx, &l.Config, log, func() { stop(errDrain) })
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to stop while it started
		}
		return startHint(err)
	}
	err = errors.Join(n.run(ctx), n.close())
	log.Info("stopped")
	return startHint(err)
}

// startHint adds advice for what keeps a node from starting, or from going on.
func startHint(err error) error {
	switch {
	case errors.Is(err, server.ErrDataDirInUse):
		return withHint(err, "another weft runs on this folder; stop it, or choose another one with --data-dir")
	case errors.Is(err, server.ErrDataDirOf):
		return withHint(err, "a data folder keeps the name of its node: set node.name to that, or choose another folder with --data-dir")
	case errors.Is(err, server.ErrDataDirMode):
		return withHint(err, "start on an empty folder (--data-dir) and carry blacklist and routes over: "+
			"weft export > weft.jsonl while the old node runs, weft import < weft.jsonl to the new one; events stay behind")
	case errors.Is(err, server.ErrRemoved):
		return withHint(err, "to join as a new member it needs an empty folder (--data-dir), and a name that no member has")
	case errors.Is(err, server.ErrDataDir), errors.Is(err, errStore) && isFileError(err):
		return withHint(err, "the node must be able to make and write its data folder: mend owner and mode, or choose another one with --data-dir")
	}
	return err
}

// isFileError reports whether err is about a file or folder that this user
// cannot have. A full disk is another matter.
func isFileError(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && !errors.Is(err, syscall.ENOSPC)
}
