package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// What listens in a playground with one node.
const (
	addrPage   = "page"
	addrPublic = "weft, public"
	addrAdmin  = "weft, admin"
	addrNATS   = "weft, NATS"
	addrKafka  = "Kafka broker"
	addrShop   = "shop"
)

// addresses says where each part of a playground is reached, all on loopback.
// In a cluster Public and Admin are those of the balancer, and NATS has the
// addresses of all nodes, with commas between.
type addresses struct{ Page, Public, Admin, NATS, Kafka, Shop string }

// usual are the addresses that the documentation of each part names.
var usual = addresses{
	Page:   "127.0.0.1:4100",
	Public: "127.0.0.1:4000",
	Admin:  "127.0.0.1:4010",
	NATS:   "127.0.0.1:4222",
	Kafka:  "127.0.0.1:9092",
	Shop:   "127.0.0.1:4200",
}

// A wish is where something should listen, if it can be had.
type wish struct{ name, addr string }

func (a addresses) wishes() []wish {
	return []wish{{addrPage, a.Page}, {addrPublic, a.Public}, {addrAdmin, a.Admin}, {addrNATS, a.NATS}, {addrKafka, a.Kafka}, {addrShop, a.Shop}}
}

// reserved holds a listener per address, so that no two parts choose the same
// free port and nobody else takes one while weft is being built.
type reserved struct {
	listeners map[string]net.Listener
	at        map[string]string // the address that each name got
}

// reserve takes the wished ports; 0 stands for any. When one is taken it says so
// on out and takes a free one.
func reserve(wishes []wish, out io.Writer) (*reserved, error) {
	r := &reserved{listeners: map[string]net.Listener{}, at: map[string]string{}}
	for _, w := range wishes {
		ln, err := listen(w.addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen for %s: %w", w.name, err), r.Close())
		}
		got := ln.Addr().String()
		r.listeners[w.name], r.at[w.name] = ln, got
		if got != w.addr && !strings.HasSuffix(w.addr, ":0") {
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
	return addresses{
		Page: r.at[addrPage], Public: r.at[addrPublic], Admin: r.at[addrAdmin], NATS: r.at[addrNATS], Kafka: r.at[addrKafka], Shop: r.at[addrShop],
	}
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
