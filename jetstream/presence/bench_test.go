package presence

import (
	"strconv"
	"testing"
)

// BenchmarkChanged is what a connection that comes or goes costs: when nobody follows the
// presence of its user, and when this node does. Who subscribes is asked in jetstream.
func BenchmarkChanged(b *testing.B) {
	p := newSilent()
	b.Run("nobody", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Changed("user.ann")
		}
	})
	b.Run("followed", func(b *testing.B) {
		defer p.Follow("user.ann", false, func(State) {})()
		b.ReportAllocs()
		for b.Loop() {
			p.Changed("user.ann")
		}
	})
}

// BenchmarkTell is one change of a subject that many follow.
func BenchmarkTell(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			p := newSilent()
			for range n {
				p.Follow("topic.hotel.42", false, func(State) {})
			}
			w := p.watchers.by["topic.hotel.42"]
			now := p.watchers.zero
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now = now.Add(every)
				w.tell.tell(notice{count: count{i, true}, all: true}, now)
			}
		})
	}
}
