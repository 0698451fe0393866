package upstream

import "sync"

// maxTurns bounds how many routes' turns are known. When there are more, which takes many
// routes that came and went, all begin anew.
const maxTurns = 20_000

// turns count the requests of routes that have several targets. Its methods may be called
// concurrently.
type turns struct {
	mu     sync.Mutex
	routes map[string]uint64
}

// next is how many requests of a route there were before.
func (t *turns) next(route string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.routes == nil || len(t.routes) >= maxTurns {
		t.routes = map[string]uint64{}
	}
	n := t.routes[route]
	t.routes[route] = n + 1
	return n
}
