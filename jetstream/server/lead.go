package server

import (
	"errors"
	"sync"
	_ "unsafe" // for go:linkname

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// lookupRaftNode finds a Raft group of the server without waiting for what the group keeps,
// as every question to its API would. (*Server).JetStreamStepdownStream takes the stream's
// lock, which whoever stores holds. See rafttimers.go for what happens when it is renamed.
//
//go:linkname lookupRaftNode github.com/nats-io/nats-server/v2/server.(*Server).lookupRaftNode
func lookupRaftNode(s *natsserver.Server, group string) natsserver.RaftNode

// A Lead is what this node has of the leadership of one of the nodes' streams. Its methods
// may be called concurrently.
type Lead struct {
	server *Server
	stream string

	mu    sync.Mutex
	group string // of Raft, what it is called; "" until it is known
}

// LeadOf is about a stream of the nodes' account.
func LeadOf(s *Server, stream string) *Lead { return &Lead{server: s, stream: stream} }

// node is the stream's Raft group here; nil while there is none, or its name is not known.
func (l *Lead) node() natsserver.RaftNode {
	l.mu.Lock()
	group := l.group
	l.mu.Unlock()
	srv := l.server.running()
	if srv == nil || group == "" {
		return nil
	}
	return lookupRaftNode(srv, group)
}

// Learn finds out what the group is called, unless that is known. It is called while the
// stream is well: it waits for what the stream waits for.
func (l *Lead) Learn() {
	srv := l.server.running()
	if srv == nil || l.node() != nil {
		return
	}
	group, known := raftGroupsOfStreams(srv, accountNodes)[l.stream]
	if !known {
		return // it is asked again
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group = group
}

// Held reports whether this node leads. It never waits.
func (l *Lead) Held() bool {
	node := l.node()
	return node != nil && node.Leader()
}

// Applied is how far this node has stored what the nodes have agreed on. It waits when the
// log itself is stuck.
func (l *Lead) Applied() uint64 {
	node := l.node()
	if node == nil {
		return 0
	}
	_, _, applied := node.Progress()
	return applied
}

// Yield gives the lead to another node. It waits when the log itself is stuck; then the
// others hear nothing of this node and elect another one by themselves.
func (l *Lead) Yield() error {
	node := l.node()
	if node == nil {
		return errors.New("the stream is not led by this node")
	}
	return node.StepDown()
}
