package cluster

import "testing"

func TestWhoIsNeededAndWhoIsToLead(t *testing.T) {
	current := func(node string) Replica { return Replica{Node: node, Current: true} }
	tests := map[string]struct {
		replicas  []Replica
		needed    bool
		successor string
	}{
		"all current":       {[]Replica{current("n1"), current("n2"), {Node: "n3", Lag: 2}}, false, "n2"},
		"one far behind":    {[]Replica{current("n1"), {Node: "n2", Lag: nearly + 1}, current("n3")}, true, "n3"},
		"one away":          {[]Replica{current("n1"), {Node: "n2", Current: true, Offline: true}, current("n3")}, true, "n3"},
		"two away":          {[]Replica{current("n1"), {Node: "n2", Offline: true}, {Node: "n3", Offline: true}}, true, ""},
		"one of five away":  {[]Replica{current("n1"), {Node: "n2", Offline: true}, current("n3"), current("n4"), current("n5")}, false, "n3"},
		"nobody leads":      {nil, true, ""},
		"the nearest leads": {[]Replica{current("n1"), {Node: "n2", Lag: 9}, {Node: "n3", Lag: 3}}, false, "n3"},
	}
	for name, tt := range tests {
		groups := []Group{{Name: "g", Leader: "n1", Replicas: tt.replicas}}
		if got := needed(groups, "n1") == "g"; got != tt.needed {
			t.Errorf("%s: needed %v, want %v", name, got, tt.needed)
		}
		if got := groups[0].successor("n1"); got != tt.successor {
			t.Errorf("%s: successor %q, want %q", name, got, tt.successor)
		}
	}
}
