package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"weft/test/load/crowd"
)

// Bounds of a drive.
const (
	maxSubscribers = 200_000
	maxFlow        = 10 * time.Minute
)

// A drive is a crowd at a server that somebody else has started.
type drive struct {
	target   crowd.Target
	n, users int
	ready    string
	pid      int
	metrics  string
	publish  string
	inFlight int
	size     int
	flow     time.Duration
	settle   time.Duration
}

func driveCommand(ctx context.Context, args []string) error {
	var d drive
	flags := flag.NewFlagSet("load drive", flag.ContinueOnError)
	flags.StringVar(&d.target.URL, "url", "", "what subscribers get: a `template` that begins with http, https, ws or wss and holds {i}, {user} or {token}")
	flags.Func("header", "a `template` of a header, Name: value; repeatable", func(line string) error {
		d.target.Header = append(d.target.Header, line)
		return nil
	})
	flags.BoolVar(&d.target.HTTP2, "http2", false, "use HTTP/2, with an https url")
	insecure := flags.Bool("insecure", false, "take any certificate")
	key := flags.String("hs256", "", "`key` with which {token} is signed; its sub is the user")
	flags.IntVar(&d.n, "n", 1000, "`number` of subscribers")
	flags.IntVar(&d.users, "users", 0, "`number` of users that they are of; 0: each its own")
	flags.StringVar(&d.ready, "ready", "", "`text` that tells a subscriber that it is subscribed; none: the head of the response")
	flags.IntVar(&d.pid, "pid", 0, "process `id` of the server")
	flags.StringVar(&d.metrics, "metrics", "", "`URL` with the server's metrics, for its goroutines")
	flags.StringVar(&d.publish, "publish", "", "where events go: nats://host:port/subject or an http `URL`; with {user} or {i} each user has a subject")
	flags.IntVar(&d.inFlight, "inflight", 1, "`number` of events in flight")
	flags.IntVar(&d.size, "size", 128, "payload in `bytes`")
	flags.DurationVar(&d.flow, "for", 10*time.Second, "how long events flow")
	flags.DurationVar(&d.settle, "settle", fullSettle, "how long the server settles before its memory is read; 0: it is not read")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *insecure {
		d.target.TLS = anyCertificate()
	}
	if *key != "" {
		d.target.Token = minter(*key)
	}
	if err := d.check(); err != nil {
		return err
	}
	return d.run(ctx)
}

func (d *drive) check() error {
	if d.users == 0 {
		d.users = d.n
	}
	switch {
	case d.pid == 0:
		return fmt.Errorf("-pid is missing: whose processor time?")
	case d.n < 1 || d.n > maxSubscribers:
		return fmt.Errorf("-n %d is not between 1 and %d", d.n, maxSubscribers)
	case d.users < 1 || d.n%d.users != 0:
		return fmt.Errorf("-users %d do not share %d subscribers evenly", d.users, d.n)
	case d.flow < 0 || d.flow > maxFlow:
		return fmt.Errorf("-for %v is not between 0 and %v", d.flow, maxFlow)
	case d.settle != 0 && d.settle < keepalive:
		return fmt.Errorf("-settle %v is below %v", d.settle, keepalive)
	}
	return d.target.Check()
}

func (d *drive) run(ctx context.Context) error {
	users := d.users
	d.target.User = func(i int) string { return userName(i % users) }
	subjects := 1
	if strings.Contains(d.publish, "{") {
		subjects = users
	}
	config := crowd.Config{Target: d.target, Ready: d.ready, Subject: func(i int) uint32 { return uint32(i % subjects) }}
	c, err := crowd.New(config)
	if err != nil {
		return err
	}
	defer c.Close()
	s := &server{pids: []int{d.pid}, metrics: d.metrics}
	if d.settle > 0 {
		fmt.Printf("%d subscribers connect after %v of rest, then rest as long\n", d.n, d.settle)
		r, err := measureIdle(ctx, s, c, d.n, d.settle)
		if err != nil {
			return err
		}
		fmt.Println(r)
	} else if err := c.Grow(ctx, d.n); err != nil {
		return err
	}
	if d.publish == "" || d.flow == 0 {
		return nil
	}
	to, err := openPublisher(d.publish)
	if err != nil {
		return err
	}
	defer to.close()
	f := flow{crowd: c, to: to, pids: s.pids, subjects: subjects, inFlight: d.inFlight, size: d.size}
	result, err := f.measure(ctx, d.flow)
	if err != nil {
		return err
	}
	fmt.Println(result)
	if result.Report.Faults() > 0 {
		if err := c.Err(); err != nil {
			fmt.Fprintln(os.Stderr, "the first connection that ended:", err)
		}
	}
	return nil
}
