package feed

const (
	// keepCount and keepBytes bound what waits while a feed or a connection
	// catches up. What does not fit is read from the store afterwards.
	keepCount = 256
	keepBytes = 256 << 10
)

// A backlog is what came while nothing could be handed on, bounded: what does
// not fit is read from the store. nil is an empty one: hardly anybody has one at a time.
type backlog struct {
	messages []*Message
	bytes    int
	lost     bool
	last     uint64 // newest that came, kept or not
}

// keep returns the backlog with one message more.
func (b *backlog) keep(m *Message) *backlog {
	if b == nil {
		b = new(backlog)
	}
	b.last = max(b.last, m.Seq)
	switch {
	case b.lost:
	case len(b.messages) >= keepCount || b.bytes+m.bytes() > keepBytes && len(b.messages) > 0:
		b.lost, b.messages, b.bytes = true, nil, 0
	default:
		b.messages = append(b.messages, m)
		b.bytes += m.bytes()
	}
	return b
}

// kept are the messages that fitted.
func (b *backlog) kept() []*Message {
	if b == nil {
		return nil
	}
	return b.messages
}

func (b *backlog) isLost() bool { return b != nil && b.lost }
