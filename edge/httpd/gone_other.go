//go:build !linux

package httpd

import "net/http"

// Gone reports whether the client of a request of HTTP/1 has left though what it has sent
// before was not read yet: nobody knows here.
func Gone(*http.Request) bool { return false }
