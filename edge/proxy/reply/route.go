package reply

import (
	"context"
	"errors"
	"iter"
	"time"

	"weft/edge/problem"
	"weft/edge/route"
	"weft/jetstream/rpc"
)

const (
	// methodReply is how an answer is brought to the node that waits for it.
	methodReply = "reply"
	// repliesAtOnce bounds how many answers of other nodes are taken at once; none takes
	// longer than a memory access.
	repliesAtOnce = 256
	// routeTime bounds Route, and tries how often another node is looked for.
	routeTime = 5 * time.Second
	tries     = 5
	// pause is what a second try waits for.
	pause = 20 * time.Millisecond
)

// Answer reads an answer (route.ReadAnswer), counts it if it is bad, and else routes it.
// Its errors are problems: bad_request, too_large, and those of Route.
func (w *Waiting) Answer(ctx context.Context, correlation string, header iter.Seq2[string, string], body []byte) error {
	a, err := route.ReadAnswer(header, body)
	switch {
	case errors.Is(err, route.ErrAnswerSize):
		w.outcomes[Bad].Inc()
		return problem.New(problem.TooLarge, err.Error())
	case err != nil:
		w.outcomes[Bad].Inc()
		return problem.New(problem.BadRequest, err.Error())
	}
	return w.Route(ctx, correlation, a)
}

// Route delivers an answer wherever in the cluster its request waits. Its errors are
// problems: not_found when nobody waits for it, and not_ready when that cannot be known,
// because nodes do not answer.
func (w *Waiting) Route(ctx context.Context, correlation string, a *route.Answer) error {
	ctx, cancel := context.WithTimeout(ctx, routeTime)
	defer cancel()
	instance, _, ok := split(correlation)
	if !ok {
		w.outcomes[Foreign].Inc()
		return nobody()
	}
	if instance == w.instance {
		return told(w.Deliver(correlation, a, nil))
	}
	var data []byte
	for try := range tries {
		node, sure := w.nodes.find(ctx, instance)
		if node == "" && sure {
			w.outcomes[Foreign].Inc()
			return nobody()
		}
		if node == "" {
			return silent()
		}
		if data == nil {
			data = encode(correlation, a)
		}
		said, err := w.nodes.calls.Call(ctx, node, methodReply, data)
		switch outcome := Outcome(said); {
		case errors.Is(err, rpc.ErrUnreachable) || err == nil && outcome == Foreign:
			// The node is gone, is another process now, or has too many at once.
			w.nodes.forget(node)
		case err != nil || outcome == "":
			return silent()
		default:
			return told(outcome)
		}
		select {
		case <-time.After(time.Duration(try) * pause):
		case <-ctx.Done():
			return silent()
		}
	}
	return silent()
}

func told(o Outcome) error {
	if o == Delivered {
		return nil
	}
	return nobody()
}

func nobody() error { return problem.New(problem.NotFound, "nobody waits for this answer") }

func silent() error {
	return problem.New(problem.NotReady, "not all nodes answer, and one of them may wait for this answer").RetrySoon()
}
