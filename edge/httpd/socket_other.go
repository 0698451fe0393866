//go:build !linux

package httpd

import "syscall"

// keepAlive of net.ListenConfig: Go's default.
const keepAlive = 0

// socketOptions does nothing here: keep-alive writes notice peers that are gone.
func socketOptions(_, _ string, _ syscall.RawConn) error { return nil }
