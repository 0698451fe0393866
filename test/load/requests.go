package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"weft/test/load/meter"
)

// A request is sent again and again over connections that are kept, as bytes, so that the
// client costs little.
type request struct {
	name string
	text []byte
}

// newRequest spells a request for a path; a body makes it a POST.
func newRequest(name, path string, body int, header ...string) request {
	method, length := "GET", ""
	if body > 0 {
		method, length = "POST", fmt.Sprintf("Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", body)
	}
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\nAccept: */*\r\n%s", method, path, length)
	for _, h := range header {
		text += h + "\r\n"
	}
	return request{name, append([]byte(text+"\r\n"), bytes.Repeat([]byte("x"), body)...)}
}

// requested is what a proxy had to do for requests.
type requested struct {
	CPU      float64 // µs of processor time per request
	Rate     float64 // requests per second
	P50, P99 time.Duration
}

func (r requested) String() string {
	return fmt.Sprintf("%.1f µs each, %.0f/s, p50 %v, p99 %v", r.CPU, r.Rate, r.P50.Round(time.Microsecond), r.P99.Round(time.Microsecond))
}

// measureRequests sends requests over so many connections for a while: each sends the next
// one when it has the answer, and when its turn comes if there is a pace, in requests per
// second of all.
func measureRequests(ctx context.Context, address string, pids []int, q request, connections int, pace float64, span time.Duration) (requested, error) {
	before, err := meter.CPU(pids...)
	if err != nil {
		return requested{}, err
	}
	began := time.Now()
	taken := make([][]time.Duration, connections)
	errs := make([]error, connections)
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() {
			every := time.Duration(0)
			if pace > 0 {
				every = time.Duration(float64(connections) / pace * float64(time.Second))
			}
			first := began.Add(every * time.Duration(i) / time.Duration(connections))
			taken[i], errs[i] = askAgain(ctx, address, q.text, first, every, began.Add(span))
		})
	}
	all.Wait()
	took := time.Since(began)
	after, err := meter.CPU(pids...)
	if err := errors.Join(append(errs, err)...); err != nil {
		return requested{}, fmt.Errorf("%s: %w", q.name, err)
	}
	times := slices.Concat(taken...)
	slices.Sort(times)
	n := len(times)
	if n == 0 {
		return requested{}, fmt.Errorf("%s: nothing was answered", q.name)
	}
	return requested{
		CPU: float64((after - before).Microseconds()) / float64(n), Rate: float64(n) / took.Seconds(),
		P50: times[n/2], P99: times[n*99/100],
	}, nil
}

// askAgain sends requests over one connection until the time is over. What comes late
// because the one before took long counts from when it was due.
func askAgain(ctx context.Context, address string, text []byte, first time.Time, every time.Duration, until time.Time) (taken []time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	answers := bufio.NewReader(conn)
	for due := first; ; due = due.Add(every) {
		if every == 0 {
			due = time.Now()
		} else if err := sleep(ctx, time.Until(due)); err != nil {
			return nil, err
		}
		if due.After(until) {
			return taken, nil
		}
		if _, err := conn.Write(text); err != nil {
			return nil, err
		}
		if err := readAnswer(answers); err != nil {
			return nil, err
		}
		taken = append(taken, time.Since(due))
	}
}

var contentLength = []byte("Content-Length: ")

// readAnswer reads an answer of status 200 with a length.
func readAnswer(r *bufio.Reader) error {
	length := -1
	for n := 0; ; n++ {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if n == 0 && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("answered %s", bytes.TrimSpace(line))
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			break
		}
	}
	if length < 0 {
		return errors.New("an answer without a length")
	}
	_, err := io.CopyN(io.Discard, r, int64(length))
	return err
}
