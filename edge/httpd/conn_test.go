package httpd

import (
	"testing"
	"unsafe"
)

// There is one for each connection that is open and not used, and for each poll that
// waits. 112 is a size class of Go's; the next one is 128.
func TestAConnThatWaitsIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 112 {
		t.Errorf("it takes %d bytes, want at most 112", size)
	}
}
