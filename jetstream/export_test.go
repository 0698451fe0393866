package jetstream

import "context"

// Restart restarts the embedded server, as a stuck one is.
func (n *Node) Restart() error {
	n.srv.Stop()
	return n.srv.Start(context.Background())
}
