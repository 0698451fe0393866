package admin

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"weft/edge/problem"
	"weft/jetstream/cluster"
)

// removeNode takes a dead node out of the cluster for good.
func (a *Admin) removeNode(w http.ResponseWriter, r *request) error {
	err := a.deps.Node.Cluster.Remove(r.Context(), r.name)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
		return nil
	case errors.Is(err, cluster.ErrNoMember):
		return problem.New(problem.NotFound, fmt.Sprintf("the cluster has no member %.200q", r.name))
	case errors.Is(err, cluster.ErrAlive):
		return problem.New(problem.Conflict, fmt.Sprintf("%.200q is alive: the others are linked to it", r.name))
	case errors.Is(err, cluster.ErrNoMajority):
		return problem.New(problem.StoreUnavailable, "no majority of the members is alive, which has to agree; start enough of them first")
	}
	a.log.Warn("remove a node", "removed", r.name, "err", err)
	return problem.New(problem.StoreUnavailable, "the cluster does not agree; it is unknown whether the node was removed").Retry(time.Second)
}
