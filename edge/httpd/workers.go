package edge

import "time"

const (
	// crewSize is how many goroutines of a crew may wait for work: as many as
	// there are clients on their way to their subjects in a storm. crewWait is for
	// how long they do.
	crewSize = maxJoining
	crewWait = time.Second
)

// A crew is goroutines that serve short requests one after the other: their
// stacks have grown already, which costs a fresh goroutine as much as the parsing
// of its request. There is no bound; those beyond crewSize end with their work.
type crew struct {
	work chan func()
	idle chan struct{} // a place for each that waits
	done chan struct{} // ends those that wait
}

func newCrew(done chan struct{}) *crew {
	return &crew{work: make(chan func()), idle: make(chan struct{}, crewSize), done: done}
}

// run calls f on a goroutine.
func (c *crew) run(f func()) {
	select {
	case c.work <- f:
	default:
		go c.serve(f)
	}
}

func (c *crew) serve(f func()) {
	patience := time.NewTimer(crewWait)
	defer patience.Stop()
	for {
		f()
		select {
		case c.idle <- struct{}{}:
		default:
			return
		}
		patience.Reset(crewWait)
		select {
		case f = <-c.work:
			<-c.idle
		case <-patience.C:
			<-c.idle
			return
		case <-c.done:
			return
		}
	}
}
