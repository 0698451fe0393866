package test

import (
	"testing"
	"time"

	"weft/test/stage"
)

// What nodes do together is seen on one cluster, one after the other: to form one takes
// longer than most of it.
func TestRoutesOnThreeNodes(t *testing.T) {
	t.Parallel()
	seeds := stage.Route{"seed": stage.Route{"pattern": "/seed", "target": stage.StartBackend(t, nil).URL(), "auth": stage.Route{"mode": "none"}}}
	nodes := stage.StartCluster(t, within(t, 3*time.Minute), map[string]any{"kafka.brokers": []any{broker(t).Address}, "routes": seeds})
	for _, part := range []struct {
		name string
		run  func(*testing.T, []*stage.Node)
	}{
		{"all serve the same routes", everyNodeServesTheSameRoutes},
		{"revocation ends running requests on all within a second", revocationEndsRunningRequestsOnAllNodes},
		{"a burst of revocations ends the requests of each within a second", aBurstOfRevocationsEndsTheRequestsOfEach},
		{"no answer by Kafka is mixed up", noAnswerByKafkaIsMixedUp},
		{"answers that come later reach their requests", answersThatComeLaterReachTheirRequests}, // the last: it removes one
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, nodes) })
	}
}
