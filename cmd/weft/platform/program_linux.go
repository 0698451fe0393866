package platform

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// madvPopulateRead is MADV_POPULATE_READ of madvise(2), since Linux 5.14.
const madvPopulateRead = 22

// LoadProgram has the kernel map the whole program, of which a node that has just
// started has used all but a tenth. The first storm of connections then does not
// wait for the disk, and what it takes is not the program's memory. A kernel that
// cannot do that loads each part when it is used, as ever.
func LoadProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil {
			return
		}
		if strings.HasSuffix(strings.TrimSpace(line), program) && mode[1] == '-' {
			syscall.Syscall(syscall.SYS_MADVISE, from, to-from, madvPopulateRead)
		}
	}
}
