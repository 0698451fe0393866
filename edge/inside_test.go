package edge

import (
	"context"

	"weft/edge/access"
	"weft/edge/session"
)

// What the tests, which are outside, need of the inside.

// MethodChange is what nodes ask each other to change a connection.
const MethodChange = methodChange

// Admission is the edge's, so that a test can be a storm.
func (e *Edge) Admission() *access.Admission { return e.admission }

// Sessions are the edge's.
func (e *Edge) Sessions() *session.Sessions { return e.sessions }

// ChangeThere asks a node for the empty change of no connection.
func (e *Edge) ChangeThere(ctx context.Context, node string) error {
	_, err := e.changer.changeThere(ctx, node, &remoteChange{})
	return err
}
