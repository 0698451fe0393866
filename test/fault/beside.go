package fault

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"weft/test/stage"
)

// besideLoad is the value of WEFT_FAULT_BESIDE that asks for a load beside the cluster.
const besideLoad = "load"

// burning is set in the environment of a process that is such a load.
const burning = "WEFT_FAULT_BURN"

// startBeside starts what WEFT_FAULT_BESIDE asks for, until the test ends, and returns
// what to call it: "load" is as many processes as there are cores, each of which takes
// what it can get of one. They have the priority of the nodes, so that each node waits
// for its turn as it would on a machine that others use.
func startBeside(t *testing.T) string {
	t.Helper()
	switch what := os.Getenv("WEFT_FAULT_BESIDE"); what {
	case "":
		return "nothing"
	case besideLoad:
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		for i := range runtime.NumCPU() {
			cmd := exec.Command(self)
			cmd.Env = append(stage.Environment(), burning+"=1")
			p, err := stage.StartProcess(fmt.Sprintf("load %d", i+1), cmd)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				spent, err := p.CPU()
				t.Logf("load %d took %v of a core: %v", i+1, spent, err)
				p.Kill()
			})
		}
		return fmt.Sprintf("%d processes that take a core each", runtime.NumCPU())
	default:
		t.Fatalf("WEFT_FAULT_BESIDE=%s is neither empty nor %s", what, besideLoad)
		return ""
	}
}

// burn takes a core for as long as the process lives: it computes, and it writes to
// memory beyond the caches, as a neighbour does.
func burn() {
	block, sum := make([]byte, 32<<20), sha256.Sum256([]byte(time.Now().String()))
	for at := 0; ; at = (at + 4096) % len(block) {
		for range 64 {
			sum = sha256.Sum256(sum[:])
		}
		copy(block[at:], sum[:])
	}
}
