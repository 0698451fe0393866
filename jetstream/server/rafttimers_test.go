package server

import "testing"

// The variables of nats-server exist, and are set by fast alone.
func TestTheTimersOfRaftAreTaken(t *testing.T) {
	before := raftTimersNow()
	t.Cleanup(func() {
		minElectionTimeout, maxElectionTimeout, hbInterval = before.minElection, before.maxElection, before.heartbeat
		lostQuorumInterval, lostQuorumCheck = before.lostQuorum, before.checkQuorum
		streamCatchupStartInterval = before.startCatchup
	})
	setRaftTimers(FailoverDefault)
	if now := raftTimersNow(); now != before {
		t.Errorf("default changed %+v to %+v", before, now)
	}
	setRaftTimers(FailoverFast)
	if now := raftTimersNow(); now != fastTimers {
		t.Errorf("fast made %+v", now)
	}
}
