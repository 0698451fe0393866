package rpc

import (
	"context"
	"encoding/json"
	"fmt"
)

// HandleJSON lets answer serve a method whose argument is of type Q, with at most
// inFlight calls at once. What it answers must be below 1 MiB as JSON.
func HandleJSON[Q, A any](r *RPC, method string, inFlight int, answer func(ctx context.Context, q Q) A) {
	r.Handle(method, inFlight, func(ctx context.Context, data []byte) []byte {
		var q Q
		if json.Unmarshal(data, &q) != nil {
			return nil // no JSON, so the caller counts it as no answer
		}
		out, err := json.Marshal(answer(ctx, q))
		if err != nil {
			return nil
		}
		return out
	})
}

// A Result is what one node answered.
type Result[A any] struct {
	Node   string
	Answer A
}

// CallAllJSON calls a method of all nodes, this one included.
func CallAllJSON[A any](ctx context.Context, r *RPC, method string, q any) ([]Result[A], Coverage, error) {
	return CallUntilJSON(ctx, r, method, q, func(A) bool { return false })
}

// CallUntilJSON does the same until an answer is enough, which is the last one then.
func CallUntilJSON[A any](ctx context.Context, r *RPC, method string, q any, enough func(A) bool) ([]Result[A], Coverage, error) {
	data, err := json.Marshal(q)
	if err != nil {
		return nil, Coverage{}, fmt.Errorf("call %s: %w", method, err)
	}
	var list []Result[A]
	replies := r.CallUntil(ctx, method, data, func(a Reply) bool {
		result := Result[A]{Node: a.Node}
		if json.Unmarshal(a.Data, &result.Answer) != nil {
			return false
		}
		list = append(list, result)
		return enough(result.Answer)
	})
	coverage := replies.Coverage
	if unread := len(replies.List) - len(list); unread > 0 {
		coverage.Miss(unread)
	}
	return list, coverage, nil
}

// CallJSON calls a method of one node until ctx ends. Errors: those of Call; an answer that cannot be read is no answer.
func CallJSON[A any](ctx context.Context, r *RPC, node, method string, q any) (a A, err error) {
	data, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("call %s: %w", method, err)
	}
	out, err := r.Call(ctx, node, method, data)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(out, &a); err != nil {
		return a, fmt.Errorf("call %s of %s: %w: %w", method, node, ErrNoAnswer, err)
	}
	return a, nil
}
