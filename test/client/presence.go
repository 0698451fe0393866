package client

import (
	"encoding/json"
	"fmt"
)

// A Presence is the data of weft.presence.
type Presence struct {
	User, Topic string
	Online      bool
	Connections int
	Complete    bool // true also when it is not said
}

// String names what it is of, and what there is.
func (p Presence) String() string {
	s := fmt.Sprintf("%s%s %d", p.User, p.Topic, p.Connections)
	if !p.Complete {
		s += "?"
	}
	return s
}

// Presences are the states that events tell, in their order, by user or topic.
func Presences(events []Event) (map[string][]Presence, error) {
	all := map[string][]Presence{}
	for _, e := range events {
		if e.Type != TypePresence {
			continue
		}
		p := Presence{Complete: true}
		if err := json.Unmarshal(e.Data, &p); err != nil {
			return nil, fmt.Errorf("decode %s %q: %w", e.Type, e.Data, err)
		}
		if p.Online != (p.Connections > 0) {
			return nil, fmt.Errorf("%s tells %q", e.Type, e.Data)
		}
		all[p.User+p.Topic] = append(all[p.User+p.Topic], p)
	}
	return all, nil
}
