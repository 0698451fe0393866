package stage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

var built struct {
	sync.Mutex
	path, dir string
}

// Binary is the weft binary under test: the one that WEFT_BINARY names, else it
// is built, once per test program.
func Binary() (string, error) {
	if path := os.Getenv("WEFT_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	built.Lock()
	defer built.Unlock()
	if built.path != "" {
		return built.path, nil
	}
	dir, err := os.MkdirTemp("", "weft-binary-")
	if err != nil {
		return "", err
	}
	built.dir = dir
	path := filepath.Join(dir, "weft")
	if out, err := exec.Command("go", "build", "-o", path, "weft/cmd/weft").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build weft: %w\n%s", err, out)
	}
	built.path = path
	return path, nil
}

// RemoveBinary removes what Binary built. TestMain calls it at the end.
func RemoveBinary() {
	built.Lock()
	defer built.Unlock()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
}
