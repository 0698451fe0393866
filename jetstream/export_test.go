package jetstream

import "context"

// Restart restarts the embedded server, as a stuck one is.
func (n *Node) Restart() error {
	n.srv.stop()
	return n.srv.start(context.Background())
}
