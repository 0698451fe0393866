package cluster_test

import (
	"testing"
	"time"

	"weft/config/testkit/waitfor"
)

func TestNodesCompareTheirClocks(t *testing.T) {
	t.Parallel()
	nodes := open(t, three(t)...)
	waitfor.True(t, func() bool {
		skew, ok := nodes[0].ClockSkew(t.Context(), "n2")
		return ok && skew.Abs() < time.Second
	})
	if _, ok := nodes[0].ClockSkew(t.Context(), "n9"); ok {
		t.Error("a node that is not there has a clock")
	}
}
