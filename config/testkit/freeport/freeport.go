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
	given = map[int]bool{} // by this process
)

// Addresses returns n addresses of host on which nobody listens, and which this
// process has not been given before. It is safe for concurrent use.
func Addresses(host string, n int) ([]string, error) {
	mu.Lock()
	defer mu.Unlock()
	var list []string
	for range count {
		if len(list) == n {
			return list, nil
		}
		port := first + rand.N(count) // others look for ports, too: not one after the other
		if given[port] {
			continue
		}
		address := net.JoinHostPort(host, strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
		given[port] = true
		list = append(list, address)
	}
	return nil, errors.New("no free ports between 18000 and 32000")
}
