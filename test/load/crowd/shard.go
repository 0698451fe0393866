package crowd

import (
	"bytes"
	"sync"
	"time"
)

// A subscriber is what is known of one connection: what it has seen.
type subscriber struct {
	index   uint32
	subject uint32
	marks   marks
	track   track
	matched uint8 // how much of Config.Ready
	ready   bool
	ended   bool
}

// A shard is subscribers that are run together and the sums of what they see.
type shard struct {
	crowd *Crowd

	mu      sync.Mutex
	all     []*subscriber
	latency Latency
	stray   int64 // events of a subject that the subscriber does not follow
	dropped int64 // subscribers that ended

	// What is to be added to the crowd's counts by flush.
	ready, events int64
	arrived       [ring]int32
}

// take looks at what came for a subscriber, with shard.mu held.
func (s *shard) take(u *subscriber, body []byte, now time.Duration) {
	if !u.ready {
		if !u.await(s.crowd.cfg.Ready, body) {
			return
		}
		s.begin(u)
	}
	for {
		m, rest, ok := u.marks.next(body)
		if !ok {
			return
		}
		body = rest
		if m.Subject != u.subject {
			s.stray++
			continue
		}
		u.track.see(m.Number)
		s.latency.Add(now - m.Sent)
		s.events++
		s.arrived[m.Number%ring]++
	}
}

func (s *shard) begin(u *subscriber) {
	u.ready = true
	s.ready++
}

// end counts a subscriber as dropped, with shard.mu held.
func (s *shard) end(u *subscriber, why error) {
	if u.ended {
		return
	}
	u.ended = true
	s.dropped++
	s.crowd.fail(why)
}

// flush adds what was seen to the counts that others look at, with shard.mu held.
func (s *shard) flush() {
	if s.ready == 0 && s.events == 0 {
		return
	}
	c := s.crowd
	c.ready.Add(s.ready)
	if s.events > 0 {
		for i, n := range s.arrived {
			if n > 0 {
				c.arrived[i].Add(int64(n))
				s.arrived[i] = 0
			}
		}
		c.delivered.Add(s.events)
	}
	s.ready, s.events = 0, 0
	c.wake()
}

// await looks for text, which may be cut anywhere.
func (u *subscriber) await(text string, body []byte) bool {
	if u.matched == 0 && bytes.Contains(body, []byte(text)) {
		return true
	}
	for _, b := range body {
		for u.matched > 0 && text[u.matched] != b {
			u.matched = border(text[:u.matched])
		}
		if text[u.matched] == b {
			u.matched++
		}
		if int(u.matched) == len(text) {
			return true
		}
	}
	return false
}

// border is the length of the longest text that s begins and ends with, s itself
// not counted.
func border(s string) uint8 {
	for n := len(s) - 1; n > 0; n-- {
		if s[:n] == s[len(s)-n:] {
			return uint8(n)
		}
	}
	return 0
}
