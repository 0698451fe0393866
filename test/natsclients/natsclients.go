// Package natsclients holds the NATS clients that publishers, operators and services use, each
// behind one small interface: the nats command, nats.js 2 and 3, nats-py, and the
// two APIs of nats.go. The tests run all of them through the same cases against the
// built binary, and type what the documentation says.
//
// test/scripts/natsclients.sh installs those that are not of Go's.
package natsclients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// A Client is connected to a node with one library.
type Client interface {
	// Do does what a request says, as its library does it. An error is what the
	// library reported.
	Do(context.Context, Request) (Answer, error)
	Close()
}

// Operations of a Request.
const (
	OpPut     = "put"
	OpGet     = "get" // no entries when the key has no value
	OpCreate  = "create"
	OpUpdate  = "update"
	OpDelete  = "delete"
	OpPurge   = "purge"
	OpKeys    = "keys"
	OpHistory = "history"
	OpWatch   = "watch" // of all keys; answers with the Count that have values
	OpNext    = "next"  // what the watch tells next
	OpUnwatch = "unwatch"
	OpStatus  = "status"
	OpBuckets = "buckets"
	OpSend    = "send"    // publish without an acknowledgement
	OpPublish = "publish" // and wait for it
	OpServe   = "serve"   // answer what comes on Subject with Value and Headers, from now on
	OpTrouble = "trouble" // the next error that the connection told
)

// A Request is one operation.
type Request struct {
	Op       string            `json:"op"`
	Bucket   string            `json:"bucket,omitempty"`
	Key      string            `json:"key,omitempty"`
	Value    string            `json:"value,omitempty"`
	Size     int               `json:"size,omitempty"` // bytes of x in place of Value
	Revision uint64            `json:"revision,omitempty"`
	Count    int               `json:"count,omitempty"`
	Subject  string            `json:"subject,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	ID       string            `json:"id,omitempty"`
}

func (r Request) payload() []byte {
	if r.Size > 0 {
		return []byte(strings.Repeat("x", r.Size))
	}
	return []byte(r.Value)
}

// An Answer has what the operation brings. What a library does not tell is 0.
type Answer struct {
	Revision  uint64   `json:"revision"`
	Entries   []Entry  `json:"entries"`
	Keys      []string `json:"keys"`
	Bucket    string   `json:"bucket"`
	History   int      `json:"history"`
	Values    int      `json:"values"`
	Stream    string   `json:"stream"`
	Seq       uint64   `json:"seq"`
	Duplicate bool     `json:"duplicate"`
	Text      string   `json:"text"`
	Error     string   `json:"error"`
}

// An Entry is a value that a key has or had. Op is PUT, DEL or PURGE.
type Entry struct {
	Key      string `json:"key"`
	Value    string `json:"value"`
	Revision uint64 `json:"revision"`
	Op       string `json:"op"`
}

// A Login is where and as whom a client connects.
type Login struct {
	URL            string
	User, Password string // empty for a local client
	InboxPrefix    string // empty for the library's own
}

// A Library makes clients.
type Library struct {
	Name string
	Open func(context.Context, Login) (Client, error)
	// Hasty says that keys and history may end before all is told, whatever the
	// server does.
	Hasty bool
}

// Libraries are all of them.
func Libraries() []Library {
	return []Library{
		{Name: "nats command", Open: openCommand},
		{Name: "nats.js 2", Open: driverOf("node", "driver.mjs", "2")},
		{Name: "nats.js 3", Open: driverOf("node", "driver.mjs", "3")},
		{Name: "nats-py", Open: driverOf("python3", "driver.py"), Hasty: true}, // nats-io/nats.py issue 842
		{Name: "nats.go", Open: openOld},
		{Name: "nats.go jetstream", Open: openNew},
	}
}

func here() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Installed is the folder of the clients that are not of Go's. The first call installs
// them, if need be.
var Installed = sync.OnceValues(func() (string, error) {
	install := exec.Command(filepath.Join(here(), "..", "scripts", "natsclients.sh"))
	install.Stderr = os.Stderr
	folder, err := install.Output()
	if err != nil {
		return "", fmt.Errorf("install NATS clients: %w", err)
	}
	return strings.TrimSpace(string(folder)), nil
})

// environment is that of a client: without what the developer has set for NATS.
func environment(l Login, more ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "NATS_") && !strings.HasPrefix(kv, "XDG_CONFIG_HOME=") && !strings.HasPrefix(kv, "HOME=") {
			env = append(env, kv)
		}
	}
	env = append(env, "NATS_URL="+l.URL)
	if l.User != "" {
		env = append(env, "NATS_USER="+l.User, "NATS_PASSWORD="+l.Password)
	}
	return append(env, more...)
}
