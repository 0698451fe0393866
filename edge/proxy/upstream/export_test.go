package upstream

import "time"

// PassAsideTime lets the time pass for which servers are set aside.
func (u *Upstreams) PassAsideTime() {
	for _, s := range u.servers.known() {
		s.health.mu.Lock()
		if !s.health.until.IsZero() {
			s.health.until = time.Unix(1, 0)
		}
		s.health.mu.Unlock()
	}
}
