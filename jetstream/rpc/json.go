// Package peers is how the edges of a cluster's nodes ask each other: questions
// and answers in JSON over the links between the nodes. A field that one side
// does not know is left out by the other, so that nodes of two versions
// understand each other.
package peers

import (
	"context"
	"encoding/json"
	"fmt"

	"weft/jetstream"
)

// Handle lets answer serve a question of type Q with at most inFlight calls at
// once. What it answers must be below 1 MiB as JSON.
func Handle[Q, A any](node *jetstream.Node, question string, inFlight int, answer func(ctx context.Context, q Q) A) {
	node.Handle(question, inFlight, func(ctx context.Context, data []byte) []byte {
		var q Q
		if json.Unmarshal(data, &q) != nil {
			return nil // no JSON, so the asker counts it as no answer
		}
		out, err := json.Marshal(answer(ctx, q))
		if err != nil {
			return nil
		}
		return out
	})
}

// Said is what one node answered.
type Said[A any] struct {
	Node   string
	Answer A
}

// Ask puts a question to all nodes, this one included.
func Ask[A any](ctx context.Context, node *jetstream.Node, question string, q any) ([]Said[A], jetstream.Tally, error) {
	return AskUntil(ctx, node, question, q, func(A) bool { return false })
}

// AskUntil does the same until an answer is enough, which is the last one then.
func AskUntil[A any](ctx context.Context, node *jetstream.Node, question string, q any, enough func(A) bool) ([]Said[A], jetstream.Tally, error) {
	data, err := json.Marshal(q)
	if err != nil {
		return nil, jetstream.Tally{}, fmt.Errorf("ask %s: %w", question, err)
	}
	var list []Said[A]
	answers := node.AskUntil(ctx, question, data, func(a jetstream.Answer) bool {
		said := Said[A]{Node: a.Node}
		if json.Unmarshal(a.Data, &said.Answer) != nil {
			return false
		}
		list = append(list, said)
		return enough(said.Answer)
	})
	tally := answers.Tally
	if unread := len(answers.List) - len(list); unread > 0 {
		tally.Miss(unread)
	}
	return list, tally, nil
}

// AskNode puts a question to one node until ctx ends. Errors: those of
// jetstream.Node.AskNode; an answer that cannot be read is no answer.
func AskNode[A any](ctx context.Context, node *jetstream.Node, name, question string, q any) (a A, err error) {
	data, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("ask %s: %w", question, err)
	}
	out, err := node.AskNode(ctx, name, question, data)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(out, &a); err != nil {
		return a, fmt.Errorf("ask %s of %s: %w: %w", question, name, jetstream.ErrNoAnswer, err)
	}
	return a, nil
}
