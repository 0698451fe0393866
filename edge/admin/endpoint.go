package admin

import (
	"net/http"
	"strings"

	"weft/edge/openapi"
	"weft/edge/parameter"
	"weft/edge/problem"
)

// pathWeft is what the paths of all endpoints but the open ones begin with.
const pathWeft = "/_weft/v1/"

// An endpoint is a method of a path, which is one below pathWeft unless it is open. A path may
// have one slot, such as users/{user}/connections.
type endpoint struct {
	method, path string
	takes        parameter.List
	serve        handler
	says         openapi.Operation
}

func (at *endpoint) match(path string) (name string, ok bool) {
	head, rest, slot := strings.Cut(at.path, "{")
	if !slot {
		return "", path == at.path
	}
	_, tail, _ := strings.Cut(rest, "}")
	name, ok = strings.CutPrefix(path, head)
	if ok {
		name, ok = strings.CutSuffix(name, tail)
	}
	return name, ok && name != ""
}

// serve serves a request by the first endpoint of a table that matches.
func serve(table []endpoint, w http.ResponseWriter, r *http.Request, path string) error {
	var allow []string
	for i := range table {
		at := &table[i]
		name, ok := at.match(path)
		if !ok {
			continue
		}
		if at.method == r.Method {
			query, err := at.takes.Read(r.URL.RawQuery)
			if err != nil {
				return err
			}
			return at.serve(w, &request{r, name, query})
		}
		allow = append(allow, at.method)
	}
	if len(allow) == 0 {
		return notFound()
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	p := problem.New(problem.BadRequest, "the method is not one of "+strings.Join(allow, ", "))
	p.Status = http.StatusMethodNotAllowed
	return p
}
