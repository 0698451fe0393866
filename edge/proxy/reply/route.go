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
	// routeTime bounds Route, bringTime each try of one node, and tries their number.
	routeTime = 5 * time.Second
	bringTime = time.Second
	tries     = 3
	// pause is how much longer each try waits for the next one.
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
	data := encode(correlation, a)
	unsure := false // whether an earlier try has delivered it
	for try := range tries {
		node, sure := w.nodes.find(ctx, instance)
		switch outcome := w.bring(ctx, node, data); {
		case node == "" && sure:
			w.outcomes[Foreign].Inc()
			return nobody()
		case outcome == Duplicate && unsure:
			return nil
		case outcome == Delivered || outcome == Late || outcome == Duplicate:
			return told(outcome)
		case outcome == "":
			unsure = true
			fallthrough
		default: // the node is gone, is another process now, or has too many at once
			w.nodes.forget(node)
		}
		select {
		case <-time.After(time.Duration(try) * pause):
		case <-ctx.Done():
			return silent()
		}
	}
	return silent()
}

// bring lets a node deliver an answer: Foreign when it is certain that it did not, "" when
// that is unknown.
func (w *Waiting) bring(ctx context.Context, node string, data []byte) Outcome {
	if node == "" {
		return Foreign
	}
	ctx, cancel := context.WithTimeout(ctx, bringTime)
	defer cancel()
	said, err := w.nodes.calls.Call(ctx, node, methodReply, data)
	if errors.Is(err, rpc.ErrUnreachable) {
		return Foreign
	}
	return Outcome(said)
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
