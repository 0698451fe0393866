package server

import (
	"sync"
	"time"
	_ "unsafe" // for go:linkname
)

// Failover says how soon a cluster takes a leader for lost.
type Failover string

const (
	// FailoverFast agrees on another leader in one to two seconds.
	FailoverFast Failover = "fast"
	// FailoverDefault leaves the timers of nats-server as they are: four to nine seconds.
	FailoverDefault Failover = "default"
)

// The timers of Raft are variables of nats-server without an option (server/raft.go of
// v2.15). A version that renames one does not link: docs/decisions/0032 says what to do.
// (The empty file rafttimers.s lets the compiler accept declarations without a body.)
var (
	//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
	minElectionTimeout time.Duration
	//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
	maxElectionTimeout time.Duration
	//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
	hbInterval time.Duration
	//go:linkname lostQuorumInterval github.com/nats-io/nats-server/v2/server.lostQuorumInterval
	lostQuorumInterval time.Duration
	//go:linkname lostQuorumCheck github.com/nats-io/nats-server/v2/server.lostQuorumCheck
	lostQuorumCheck time.Duration
	//go:linkname streamCatchupStartInterval github.com/nats-io/nats-server/v2/server.streamCatchupStartInterval
	streamCatchupStartInterval time.Duration
)

// raftTimers are those of a process. Nodes that share a cluster should agree on them.
type raftTimers struct {
	minElection, maxElection time.Duration // without a word of the leader until a node stands for election
	heartbeat                time.Duration // between words of the leader
	lostQuorum               time.Duration // without a follower until a leader gives up
	checkQuorum              time.Duration // between two looks whether that is so
	// startCatchup is how long a copy of a stream waits for the first message that it lacks
	// until it asks again. A leader that has just been elected does not hear the first
	// request, and the node is not ready meanwhile.
	startCatchup time.Duration
}

var fastTimers = raftTimers{minElection: time.Second, maxElection: 2 * time.Second, heartbeat: 250 * time.Millisecond,
	lostQuorum: 1500 * time.Millisecond, checkQuorum: 250 * time.Millisecond, startCatchup: time.Second}

var raftTimersSet sync.Mutex

// setRaftTimers takes effect in servers of the process that start later.
func setRaftTimers(f Failover) {
	if f != FailoverFast {
		return
	}
	raftTimersSet.Lock()
	defer raftTimersSet.Unlock()
	if raftTimersNow() == fastTimers {
		return // servers that run read them
	}
	minElectionTimeout, maxElectionTimeout, hbInterval = fastTimers.minElection, fastTimers.maxElection, fastTimers.heartbeat
	lostQuorumInterval, lostQuorumCheck = fastTimers.lostQuorum, fastTimers.checkQuorum
	streamCatchupStartInterval = fastTimers.startCatchup
}

func raftTimersNow() raftTimers {
	return raftTimers{minElectionTimeout, maxElectionTimeout, hbInterval, lostQuorumInterval, lostQuorumCheck, streamCatchupStartInterval}
}
