package main

import (
	"bytes"
	"testing"
	"time"

	"weft/cmd/weft/client"
)

func TestStatusIsATableThatAPersonReads(t *testing.T) {
	n := client.Nodes{
		Items: []client.NodeStatus{
			{Name: "n1", Ready: true, Version: "v1.0.0", Connections: 1200, Started: time.Now().Add(-90 * time.Minute)},
			{Name: "n2", Reason: "so", Version: "v1.0.0", Started: time.Now().Add(-5 * time.Second)},
		},
		Missing: []string{"n3"},
		Groups: []client.GroupStatus{
			{Name: "EVENTS", Leader: "n1", Replicas: []client.ReplicaStatus{{Node: "n1", Current: true}, {Node: "n2", Lag: 12}, {Node: "n3"}}},
			{Name: "blacklist"},
		},
	}
	const want = `NODE  STATE      VERSION  CONNECTIONS  UP
n1    ready      v1.0.0   1200         1h30m
n2    not ready  v1.0.0   0            5s
n3    missing                          

GROUP      LEADER  COPIES
EVENTS     n1      n1, n2 (12 behind), n3 (missing)
blacklist  nobody  
`
	var out bytes.Buffer
	if err := printStatus(&out, &n); err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out.String(), want)
	}
}
