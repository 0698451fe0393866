package kafka_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stranger is another member of the group. revoked is called before it joins again.
func stranger(t *testing.T, b *kfake.Cluster, revoked func()) {
	t.Helper()
	m, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.ConsumerGroup("weft"), kgo.ConsumeTopics("orders"),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.DisableAutoCommit(),
		kgo.OnPartitionsRevoked(func(context.Context, *kgo.Client, map[string][]int32) { revoked() }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
}

func TestReadingGoesOnWhileAJoinWaitsForAnotherMember(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(4, "orders"))
	p := newProducer(t, b)
	store := newMemory()
	start(t, options(b), store)
	eventually(t, "the consumer has all partitions", func() bool {
		g := b.GroupInfo("weft")
		return g != nil && g.State == "Stable" && g.NumAssigned() == 4
	})

	var holding atomic.Bool
	held, release := make(chan struct{}), make(chan struct{})
	stranger(t, b, func() {
		if holding.CompareAndSwap(true, false) {
			close(held)
			<-release
		}
	})
	defer close(release) // before the strangers leave
	var mine []int32
	eventually(t, "two members share the partitions", func() bool {
		g := b.GroupInfo("weft")
		if g.State != "Stable" || len(g.Members) != 2 || g.NumAssigned() != 4 {
			return false
		}
		i := slices.IndexFunc(g.Members, func(m kfake.GroupMember) bool { return m.ClientID == "weft" })
		mine = g.Members[i].Assignment["orders"]
		return len(mine) == 2
	})

	holding.Store(true)
	var once sync.Once
	joined := make(chan struct{})
	b.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if strings.HasPrefix(req.(*kmsg.JoinGroupRequest).MemberID, "weft-") {
			once.Do(func() { close(joined) })
		}
		return nil, nil, false
	})
	stranger(t, b, func() {})
	<-held
	<-joined
	for n := range 10 {
		for _, partition := range mine {
			rec := order("ann", n)
			rec.Partition = partition
			produce(t, p, rec)
		}
	}
	eventually(t, "what came during the join is stored", func() bool { return store.count() == 20 })
	if state := b.GroupInfo("weft").State; state != "PreparingRebalance" {
		t.Errorf("the group is in state %s, so nothing waited", state)
	}
}

func TestAPartitionIsReadWhereItMoves(t *testing.T) {
	b := newBroker(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "orders"))
	p := newProducer(t, b)
	store := newMemory()
	start(t, options(b), store)
	for node := range int32(3) {
		if err := b.MoveTopicPartition("orders", 0, node); err != nil {
			t.Fatal(err)
		}
		produce(t, p, order("ann", int(node)))
		eventually(t, "a record of a broker is stored", func() bool { return store.count() == int(node)+1 })
	}
	inOrder(t, store.all(), 1, 3)
}
