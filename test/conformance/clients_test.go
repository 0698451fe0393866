package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/stage"
)

// A written is a client that the sentences about clients are held against: one that was written
// from the document, and the one that nodes serve. One process does all jobs.
type written struct {
	name    string
	command []string
	process *stage.Process
	mu      sync.Mutex // for in
	in      io.Writer
}

// writtens starts the clients.
func writtens(t *testing.T) []*written {
	t.Helper()
	all := []*written{
		{name: "python", command: []string{"python3", "drive.py"}},
		{name: "weft-client", command: []string{"node", "--experimental-websocket", "--no-warnings", "drive.mjs"}},
	}
	for _, c := range all {
		cmd := exec.Command(c.command[0], c.command[1:]...)
		cmd.Dir = "drivers"
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if c.process, err = stage.StartProcess(c.name, cmd); err != nil {
			t.Fatal(err)
		}
		c.in = in
		t.Cleanup(func() {
			c.process.Kill()
			_ = in.Close()
		})
	}
	return all
}

// say tells a driver what to do.
func (c *written) say(t *testing.T, job frame) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := fmt.Fprintln(c.in, mustJSON(job)); err != nil {
		t.Fatal(err)
	}
}

// A duty is what a client does, over the transports at which it matters.
type duty struct {
	says  string
	kinds []client.Transport
	steps func(n int, a asked) []step
	check func(t *testing.T, s *script, d *driven)
}

// A driven is a client that runs.
type driven struct {
	t   *testing.T
	by  *written
	job int
}

// told is a line of a driver.
type told struct {
	Job  int             `json:"job"`
	What string          `json:"what"`
	Data json.RawMessage `json:"data"`
}

// String is the line.
func (x told) String() string { return x.What + " " + string(x.Data) }

// told are the lines that say something, "" for all.
func (d *driven) told(what string) (list []told) {
	d.t.Helper()
	for _, line := range d.by.process.Output() {
		var x told
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			d.t.Fatalf("%s says %s", d.by.name, strings.Join(d.by.process.Output(), "\n"))
		}
		if x.Job == d.job && (what == "" || x.What == what) {
			list = append(list, x)
		}
	}
	return list
}

// await waits until so many lines say something.
func (d *driven) await(what string, n int) []told {
	d.t.Helper()
	waitfor.True(d.t, func() bool { return len(d.told(what)) >= n })
	return d.told(what)
}

// numbers are the data of the events that were told.
func (d *driven) numbers() (text string) {
	d.t.Helper()
	for _, x := range d.told("event") {
		var f struct{ Data json.RawMessage }
		_ = json.Unmarshal(x.Data, &f) // then it is missing
		text += string(f.Data) + " "
	}
	return strings.TrimSpace(text)
}

// drive has a client follow something of a node.
func (c *written) drive(t *testing.T, url string, kind client.Transport, tokens string, subjects ...string) *driven {
	t.Helper()
	d := &driven{t, c, int(names.Add(1))}
	c.say(t, frame{"job": d.job, "url": url, "transport": kind, "tokens": tokens, "subjects": subjects})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s says %+v", c.name, d.told(""))
		}
	})
	return d
}

func (d *driven) publish(subject string, data any) {
	d.t.Helper()
	d.by.say(d.t, frame{"job": d.job, "publish": frame{"subject": subject, "data": data}})
}

func TestClientsDoWhatTheProtocolSays(t *testing.T) {
	t.Parallel()
	clients := writtens(t)
	for _, row := range duties() {
		for _, kind := range client.Transports {
			if row.kinds != nil && !slices.Contains(row.kinds, kind) {
				continue
			}
			for _, c := range clients {
				t.Run(fmt.Sprintf("%s/%s/%s", row.says, kind, c.name), func(t *testing.T) {
					t.Parallel()
					s := &script{t: t, kind: kind, steps: row.steps}
					s.start()
					row.check(t, s, c.drive(t, s.url, kind, s.url+"/token", "topic.hall.a"))
				})
			}
		}
	}
}

func opens(id string) step {
	return step{frame: frame{"id": id, "type": "weft.open", "data": frame{"connection": "c", "node": "n", "user": "ann", "subjects": []any{}, "resume": "new", "keepalive": 25}}}
}

// numbered is an event: number n, known as event, at a cursor.
func numbered(n int, event, id string) step {
	return step{frame: frame{"id": id, "event": event, "subject": "topic.hall.a", "data": n}}
}

func own(typ, id string, data any) step {
	f := frame{"type": "weft." + typ, "data": data}
	if id != "" {
		f["id"] = id
	}
	return step{frame: f}
}

var stays = step{stay: true}

// heardThen is a connection that brings the events 1 and 2, in the places c1 and c2, and ends with
// other steps; the second one brings 3 and stays.
func heardThen(more ...step) func(int, asked) []step {
	return func(n int, _ asked) []step {
		switch n {
		case 0:
			return append([]step{opens("c0"), numbered(1, "e1", "c1"), numbered(2, "e2", "c2")}, more...)
		case 1:
			return []step{opens("c3"), numbered(3, "e3", "c4"), {stay: true, wait: time.Millisecond}}
		}
		return []step{stays}
	}
}

// comesBack expects the second connection to bring a cursor, and the three events.
func comesBack(with string) func(*testing.T, *script, *driven) {
	return func(t *testing.T, s *script, d *driven) {
		if a := s.awaitAsked(1); a.id != with {
			t.Errorf("it comes back with %q, want %q", a.id, with)
		}
		if s.kind == client.Poll {
			return // the second answer does not come
		}
		waitfor.True(t, func() bool { return len(d.told("event")) >= 3 })
		if got := d.numbers(); got != "1 2 3" {
			t.Errorf("it hands on %s", got)
		}
	}
}

// waits expects the second connection after so long at least.
func waits(least time.Duration) func(*testing.T, *script, *driven) {
	return func(t *testing.T, s *script, _ *driven) {
		second := s.awaitAsked(1)
		first := s.awaitAsked(0)
		if after := second.at.Sub(first.at); after < least {
			t.Errorf("it comes back after %v, want %v", after, least)
		}
	}
}

// closes expects the end, after so many connections.
func closes(asks int) func(*testing.T, *script, *driven) {
	return func(t *testing.T, s *script, d *driven) {
		d.await("closed", 1)
		if all, _ := s.seen(); len(all) != asks {
			t.Errorf("asked %d times: %+v", len(all), all)
		}
	}
}

// refreshed expects the second connection to bring another token than the first.
func refreshed(t *testing.T, s *script, _ *driven) {
	if a, b := s.awaitAsked(0), s.awaitAsked(1); a.token == "" || b.token == "" || a.token == b.token {
		t.Errorf("it comes with the tokens %q and %q", a.token, b.token)
	}
}
