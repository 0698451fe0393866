package feed

const (
	// keepCount and keepBytes bound what waits while a feed or a connection
	// catches up. What does not fit is read from the store afterwards.
	keepCount = 256
	keepBytes = 256 << 10
)

// A backlog is what came while nothing could be handed on, bounded: what does
// not fit is read from the store.
type backlog struct {
	messages []*Message
	bytes    int
	lost     bool
	last     uint64 // newest that came, kept or not
}

func (b *backlog) keep(m *Message) {
	b.last = max(b.last, m.Seq)
	if b.lost {
		return
	}
	if len(b.messages) >= keepCount || b.bytes+m.bytes() > keepBytes && len(b.messages) > 0 {
		b.lost, b.messages, b.bytes = true, nil, 0
		return
	}
	b.messages = append(b.messages, m)
	b.bytes += m.bytes()
}
