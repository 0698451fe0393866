package natsclients

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"weft/test/stage"
)

// A driver is a program that uses a library in its own language. It reads a request
// from each line and answers in one.
type driver struct {
	process *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Reader
}

func driverOf(program, script string, args ...string) func(context.Context, Login) (Client, error) {
	return func(ctx context.Context, l Login) (Client, error) {
		return openDriver(ctx, l, program, script, args...)
	}
}

func openDriver(_ context.Context, l Login, program, script string, args ...string) (Client, error) {
	folder, err := Installed()
	if err != nil {
		return nil, err
	}
	env := environment(l, "NODE_PATH="+filepath.Join(folder, "node_modules"), "PYTHONPATH="+filepath.Join(folder, "python"),
		"PYTHONDONTWRITEBYTECODE=1")
	if l.InboxPrefix != "" {
		env = append(env, "INBOX_PREFIX="+l.InboxPrefix)
	}
	d := &driver{process: exec.Command(program, append([]string{filepath.Join(here(), "drivers", script)}, args...)...)}
	d.process.Env, d.process.Stderr = env, os.Stderr
	d.process.SysProcAttr = stage.OwnGroup()
	if d.in, err = d.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := d.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.answers = bufio.NewReader(out)
	if err := d.process.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return d, nil
}

// Do ends the program when ctx does.
func (d *driver) Do(ctx context.Context, r Request) (a Answer, err error) {
	defer context.AfterFunc(ctx, d.kill)()
	line, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		return a, fmt.Errorf("ask driver: %w", err)
	}
	if line, err = d.answers.ReadBytes('\n'); err != nil {
		return a, fmt.Errorf("wait for driver: %w", errors.Join(err, ctx.Err()))
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("decode answer %q: %w", line, err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

func (d *driver) kill() { stage.KillGroup(d.process.Process) }

func (d *driver) Close() {
	d.in.Close()
	d.kill()
	_ = d.process.Wait() // killed
}
