//go:build !linux

package crowd

import "errors"

func newSockets(*Crowd) (kind, error) {
	return nil, errors.New("plain subscribers are epoll sets, which there are on Linux only")
}
