package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// The addresses of a playground, by what listens there.
const (
	addrPage   = "page"
	addrPublic = "weft, public"
	addrAdmin  = "weft, admin"
	addrNATS   = "weft, NATS"
	addrKafka  = "Kafka broker"
)

// addresses says where each part of a playground listens, all on loopback.
type addresses struct{ Page, Public, Admin, NATS, Kafka string }

// reserved holds a listener per address, so that no two parts choose the same
// free port and nobody else takes one while weft is being built.
type reserved struct{ listeners map[string]net.Listener }

// usual are the addresses that the documentation of each part names.
var usual = addresses{
	Page:   "127.0.0.1:4100",
	Public: "127.0.0.1:4000",
	Admin:  "127.0.0.1:4010",
	NATS:   "127.0.0.1:4222",
	Kafka:  "127.0.0.1:9092",
}

// reserve takes the wished ports; 0 stands for any. When one is taken it says so
// on out and takes a free one.
func reserve(wish addresses, out io.Writer) (*reserved, error) {
	r := &reserved{listeners: map[string]net.Listener{}}
	for _, w := range []struct{ name, addr string }{
		{addrPage, wish.Page},
		{addrPublic, wish.Public},
		{addrAdmin, wish.Admin},
		{addrNATS, wish.NATS},
		{addrKafka, wish.Kafka},
	} {
		ln, err := listen(w.addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen for %s: %w", w.name, err), r.Close())
		}
		r.listeners[w.name] = ln
		if got := ln.Addr().String(); got != w.addr && !strings.HasSuffix(w.addr, ":0") {
			fmt.Fprintf(out, "%s (%s) is taken; using %s instead\n", w.addr, w.name, got)
		}
	}
	return r, nil
}

// listen opens addr, or a free port of the same host when that one cannot be
// had. It refuses a host that is not a loopback address.
func listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, &hintError{
			fmt.Errorf("%q is not a loopback address", host),
			"the playground hands out tokens to whoever asks; use 127.0.0.1",
		}
	}
	ln, err := net.Listen("tcp", addr)
	if err == nil {
		return ln, nil
	}
	if free, freeErr := net.Listen("tcp", net.JoinHostPort(host, "0")); freeErr == nil {
		return free, nil
	}
	return nil, err
}

func (r *reserved) addresses() addresses {
	at := func(name string) string { return r.listeners[name].Addr().String() }
	return addresses{Page: at(addrPage), Public: at(addrPublic), Admin: at(addrAdmin), NATS: at(addrNATS), Kafka: at(addrKafka)}
}

// take hands a listener to its user, who closes it from then on.
func (r *reserved) take(name string) net.Listener {
	ln := r.listeners[name]
	delete(r.listeners, name)
	return ln
}

// release frees the ports for another process to listen on.
func (r *reserved) release(names ...string) {
	for _, name := range names {
		_ = r.take(name).Close() // a listener that nobody accepted on has nothing to lose
	}
}

// Close frees what was not taken. It may be called twice.
func (r *reserved) Close() error {
	var errs []error
	for name := range r.listeners {
		errs = append(errs, r.take(name).Close())
	}
	return errors.Join(errs...)
}
