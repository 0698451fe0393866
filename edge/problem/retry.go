package problem

import (
	"math/rand/v2"
	"time"
)

// waitReady is how long a client is asked to wait for a node that cannot serve.
const waitReady = 2 * time.Second

// Jitter spreads d over d to 3·d, so that the clients of a node do not come
// back all at once.
func Jitter(d time.Duration) time.Duration { return d + rand.N(2*d) }

// RetrySoon returns a copy of p that asks the client to come back when the node may
// be able to serve again.
func (p *Problem) RetrySoon() *Problem { return p.Retry(Jitter(waitReady / 2)) }
