package session

import (
	"context"
	"sync"

	"weft/edge/auth"
)

// atOnce is about how many subjects of one change others are asked at a time.
const atOnce = 16

// All asks about several subjects: why each of them may not be followed, in their order,
// nil for one that may. What the token allows by itself is not asked about; the rest is
// asked at once, so that many subjects take hardly longer than one.
func (may MayFollow) All(ctx context.Context, id *auth.Identity, subjects []string) []error {
	refused := make([]error, len(subjects))
	var asked []int
	for i, s := range subjects {
		if !id.MayFollow(s) {
			asked = append(asked, i)
		}
	}
	if len(asked) == 1 {
		refused[asked[0]] = may(ctx, id, subjects[asked[0]])
		return refused
	}
	var asking sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	for _, i := range asked {
		turns <- struct{}{}
		asking.Go(func() {
			defer func() { <-turns }()
			refused[i] = may(ctx, id, subjects[i])
		})
	}
	asking.Wait()
	return refused
}
