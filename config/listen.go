package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// CheckListen reports why addr is no address to listen on: "host:port" or
// ":port".
func CheckListen(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is no address; write host:port, for example 127.0.0.1:4222", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q has no port between 0 and 65535", addr)
	}
	if host != "" && net.ParseIP(host) == nil && !validHost(host) {
		return errors.New(strconv.Quote(addr) + " has no valid host")
	}
	return nil
}

func validHost(h string) bool {
	for i := 0; i < len(h); i++ {
		c := h[i]
		if c <= ' ' || c == '/' || c == '@' || c >= 0x7f {
			return false
		}
	}
	return true
}

// IsLoopback reports whether addr ("host:port") can be reached from this
// machine only. A name other than localhost counts as reachable.
func IsLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// SameListener reports whether two addresses that CheckListen has passed cannot
// be listened on at once. Port 0 is another one each time.
func SameListener(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	nA, _ := strconv.Atoi(portA)
	nB, _ := strconv.Atoi(portB)
	if errA != nil || errB != nil || nA != nB || nA == 0 {
		return false
	}
	ipA, ipB := listenIP(hostA), listenIP(hostB)
	if ipA == nil || ipB == nil {
		return hostA == hostB
	}
	all := func(ip net.IP) bool { return ip.Equal(net.IPv6unspecified) } // of both families
	some := func(ip, other net.IP) bool { return ip.Equal(net.IPv4zero) && other.To4() != nil }
	return ipA.Equal(ipB) || all(ipA) || all(ipB) || some(ipA, ipB) || some(ipB, ipA)
}

// listenIP is the address that a host of a listener stands for, nil for a name
// that only a resolver knows.
func listenIP(host string) net.IP {
	switch host {
	case "":
		return net.IPv6unspecified
	case "localhost":
		return net.IPv4(127, 0, 0, 1)
	}
	return net.ParseIP(host)
}
