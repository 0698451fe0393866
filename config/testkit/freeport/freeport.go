// Package freeport finds ports for tests that must know an address before somebody
// listens there.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are taken from below those that systems give to connections and to
// listeners of port 0 (32768 and up on Linux): none of these can take one between
// the moment that it is found free and the moment that it is listened on.
const first, count = 18_000, 14_000

var (
	mu    sync.Mutex
	given = map[int]net.PacketConn{} // by this process, and what tells others of it
)

// Addresses returns n addresses of host on which nobody listens, and which neither this
// process has been given before nor another one that still runs: who is given one has the
// same port of UDP for as long as it lives. It is safe for concurrent use.
func Addresses(host string, n int) ([]string, error) {
	mu.Lock()
	defer mu.Unlock()
	var list []string
	for range count {
		if len(list) == n {
			return list, nil
		}
		port := first + rand.N(count) // others look for ports, too: not one after the other
		if given[port] != nil {
			continue
		}
		address := net.JoinHostPort(host, strconv.Itoa(port))
		sign, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			_ = sign.Close()
			continue
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
		given[port] = sign
		list = append(list, address)
	}
	return nil, errors.New("no free ports between 18000 and 32000")
}
