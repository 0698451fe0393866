package server

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestADataFolderThatThisUserCannotWriteIsFound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(filepath.Dir(dir)), 0o755); err != nil { // so that another user comes that far
		t.Fatal(err)
	}
	cfg := Config{Node: NodeConfig{Name: "n1", DataDir: dir}}
	found := make(chan []error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, which becomes nobody's, ends with this goroutine
		if os.Getuid() == 0 {
			const nobody = 65534
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
				found <- []error{errno}
				return
			}
		}
		found <- cfg.CheckFiles()
	}()
	errs := <-found
	wantKeys(t, errs, map[string]string{"node.data_dir": "cannot be written: permission denied"})
	if len(errs) == 1 && (!errors.Is(errs[0], ErrDataDir) || !errors.Is(errs[0], unix.EACCES)) {
		t.Errorf("%v does not say what kind it is", errs[0])
	}
}
