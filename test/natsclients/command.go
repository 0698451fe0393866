package natsclients

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// command is the nats command, one process for each operation. What it prints is
// for people; the patterns below find in it what a test wants to know.
type command struct {
	binary   string
	env      []string
	flags    []string
	home     string
	troubles []string // of the last one
	watch    *watching
	ends     []func() // of what still runs
}

func openCommand(_ context.Context, l Login) (Client, error) {
	folder, err := Installed()
	if err != nil {
		return nil, err
	}
	c := &command{binary: filepath.Join(folder, "bin", "nats"), flags: []string{"--timeout=20s"}}
	// It looks for contexts of the user's own there.
	if c.home, err = os.MkdirTemp("", "weft-nats-"); err != nil {
		return nil, err
	}
	c.env = environment(l, "HOME="+c.home)
	if l.InboxPrefix != "" {
		c.flags = append(c.flags, "--inbox-prefix="+l.InboxPrefix)
	}
	return c, nil
}

func (c *command) Close() {
	for _, end := range c.ends {
		end()
	}
	if c.watch != nil {
		c.watch.stop()
	}
	os.RemoveAll(c.home)
}

func (c *command) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.binary, append(slices.Clone(c.flags), args...)...)
	cmd.Env = c.env
	return cmd
}

// run runs the command to its end. The error of one that fails is what it printed.
func (c *command) run(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := c.command(ctx, args...)
	var out, trouble bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &trouble
	err := cmd.Run()
	c.troubles = nil
	for line := range strings.Lines(trouble.String()) {
		if strings.Contains(line, "rror") {
			c.troubles = append(c.troubles, strings.TrimSpace(line))
		}
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(trouble.String()))
	}
	return out.String() + trouble.String(), nil
}

func (c *command) Do(ctx context.Context, r Request) (a Answer, err error) {
	switch r.Op {
	case OpPut, OpCreate:
		_, err = c.run(ctx, nil, "kv", r.Op, r.Bucket, r.Key, r.Value)
	case OpUpdate:
		_, err = c.run(ctx, nil, "kv", r.Op, r.Bucket, r.Key, r.Value, strconv.FormatUint(r.Revision, 10))
	case OpDelete:
		_, err = c.run(ctx, nil, "kv", "del", "-f", r.Bucket, r.Key)
	case OpPurge:
		_, err = c.run(ctx, nil, "kv", r.Op, "-f", r.Bucket, r.Key)
	case OpGet:
		a.Entries, err = c.get(ctx, r)
	case OpHistory:
		a.Entries, err = c.history(ctx, r)
	case OpKeys:
		var text string
		text, err = c.run(ctx, nil, "kv", "ls", r.Bucket)
		a.Keys = strings.Fields(strings.ReplaceAll(text, "No keys found in bucket", ""))
	case OpBuckets:
		a.Keys, err = c.buckets(ctx)
	case OpStatus:
		return c.status(ctx, r)
	case OpWatch:
		return c.follow(ctx, r)
	case OpNext:
		return c.watch.next(ctx)
	case OpUnwatch:
		c.watch.stop()
	case OpSend:
		_, err = c.run(ctx, bytes.NewReader(r.payload()), c.publish(r, "--force-stdin")...)
	case OpServe:
		return a, c.serve(ctx, r)
	case OpPublish:
		return c.store(ctx, r)
	case OpTrouble:
		if len(c.troubles) == 0 {
			return a, errors.New("it printed no error")
		}
		a.Text, c.troubles = c.troubles[0], c.troubles[1:]
	default:
		err = errOp
	}
	return a, err
}

var (
	gotten = regexp.MustCompile(`^(\S+) > (\S+) revision: (\d+) created @ .*\n\n((?s:.*))\n\n$`)
	row    = regexp.MustCompile(`(?m)^│ (\S+) +│ +(\d+) │ (\w+) +│ [^│]+ │ [^│]+ │ ([^│]*?) *│$`)
	stored = regexp.MustCompile(`Stored in Stream: (\S+) Sequence: (\d+)( Duplicate: true)?`)
	told   = regexp.MustCompile(`^\[[^]]+\] (\w+) (\S+) > ([^:]+)(?:: (.*))?$`)
)

func (c *command) get(ctx context.Context, r Request) ([]Entry, error) {
	text, err := c.run(ctx, nil, "kv", "get", r.Bucket, r.Key)
	if err != nil && strings.Contains(err.Error(), "key not found") {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	m := gotten.FindStringSubmatch(text)
	if m == nil || m[1] != r.Bucket {
		return nil, fmt.Errorf("nats kv get printed %q", text)
	}
	revision, err := strconv.ParseUint(m[3], 10, 64)
	return []Entry{{Key: m[2], Revision: revision, Value: m[4], Op: "PUT"}}, err
}

func (c *command) history(ctx context.Context, r Request) (entries []Entry, err error) {
	text, err := c.run(ctx, nil, "kv", "history", r.Bucket, r.Key)
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		revision, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{Key: m[1], Revision: revision, Op: shortOp(m[3]), Value: m[4]})
	}
	return entries, err
}

// shortOp is an operation as it stands in the header.
func shortOp(op string) string { return strings.Replace(op, "DELETE", "DEL", 1) }

// buckets asks in both forms, which must say the same.
func (c *command) buckets(ctx context.Context) ([]string, error) {
	names, err := c.run(ctx, nil, "kv", "ls", "--names")
	if err != nil {
		return nil, err
	}
	table, err := c.run(ctx, nil, "kv", "ls")
	for _, name := range strings.Fields(names) {
		if !strings.Contains(table, "│ "+name+" ") {
			return nil, fmt.Errorf("nats kv ls does not have %s: %s", name, table)
		}
	}
	return strings.Fields(names), err
}

func (c *command) status(ctx context.Context, r Request) (a Answer, err error) {
	text, err := c.run(ctx, nil, "kv", "info", r.Bucket)
	if err != nil {
		return a, err
	}
	value := func(label string) string {
		_, rest, _ := strings.Cut(text, label+": ")
		line, _, _ := strings.Cut(rest, "\n")
		return strings.TrimSpace(line)
	}
	a.Bucket = value("Bucket Name")
	if a.History, err = strconv.Atoi(value("History Kept")); err != nil {
		return a, err
	}
	a.Values, err = strconv.Atoi(value("Values Stored"))
	return a, err
}

// publish makes the arguments of nats pub. The payload comes on standard input.
func (c *command) publish(r Request, flags ...string) []string {
	args := append([]string{"pub", "--no-templates", r.Subject}, flags...)
	for name, value := range r.Headers {
		args = append(args, "-H", name+":"+value)
	}
	if r.ID != "" {
		args = append(args, "-H", "Nats-Msg-Id:"+r.ID)
	}
	return args
}

func (c *command) store(ctx context.Context, r Request) (a Answer, err error) {
	text, err := c.run(ctx, bytes.NewReader(r.payload()), c.publish(r, "--force-stdin", "--jetstream")...)
	if err != nil {
		return a, err
	}
	m := stored.FindStringSubmatch(text)
	if m == nil {
		return a, fmt.Errorf("nats pub --jetstream printed %q", text)
	}
	a.Stream, a.Duplicate = m[1], m[3] != ""
	a.Seq, err = strconv.ParseUint(m[2], 10, 64)
	return a, err
}

// watching is a nats kv watch that runs, below a shell that ends it when its own
// standard input does: that is also when the test program is killed.
type watching struct {
	shell *exec.Cmd
	in    io.Closer
	lines chan string
}

func (c *command) follow(ctx context.Context, r Request) (a Answer, err error) {
	watch := c.command(ctx, "kv", "watch", r.Bucket)
	w := &watching{shell: exec.Command("sh", append([]string{"-c", `"$@" & cat >/dev/null; kill $!`, "sh"}, watch.Args...)...),
		lines: make(chan string, 64)}
	w.shell.Env = watch.Env
	if w.in, err = w.shell.StdinPipe(); err != nil {
		return a, err
	}
	out, err := w.shell.StdoutPipe()
	if err == nil {
		err = w.shell.Start()
	}
	if err != nil {
		return a, err
	}
	c.watch = w
	go func() {
		defer close(w.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			w.lines <- s.Text()
		}
	}()
	for len(a.Entries) < r.Count {
		one, err := w.next(ctx)
		if err != nil {
			return a, err
		}
		a.Entries = append(a.Entries, one.Entries...)
	}
	return a, nil
}

func (w *watching) next(ctx context.Context) (a Answer, err error) {
	select {
	case line, ok := <-w.lines:
		if !ok {
			return a, errWatch
		}
		m := told.FindStringSubmatch(line)
		if m == nil {
			return a, fmt.Errorf("nats kv watch printed %q", line)
		}
		return Answer{Entries: []Entry{{Op: shortOp(m[1]), Key: m[3], Value: m[4]}}}, nil
	case <-ctx.Done():
		return a, ctx.Err()
	}
}

func (w *watching) stop() {
	w.in.Close()
	for range w.lines { // so that its reader ends
	}
	_ = w.shell.Wait() // the exit code is that of kill
}
