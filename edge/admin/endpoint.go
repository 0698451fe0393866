package admin

import (
	"net/http"
	"net/url"
	"strings"

	"weft/edge/openapi"
	"weft/edge/parameter"
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

// match reports whether the path of a request is the endpoint's, and what stands in the slot.
// With escaped the path is as it was sent: a slash that belongs to a name is %2F there.
func (at *endpoint) match(path string, escaped bool) (name string, ok bool) {
	head, rest, slot := strings.Cut(at.path, "{")
	if !slot {
		return "", path == at.path
	}
	_, tail, _ := strings.Cut(rest, "}")
	name, ok = strings.CutPrefix(path, head)
	if ok {
		name, ok = strings.CutSuffix(name, tail)
	}
	if ok && escaped {
		var err error
		name, err = url.PathUnescape(name)
		ok = err == nil
	}
	return name, ok && name != ""
}

// serve serves a request for a path below another one.
func serve(table []endpoint, w http.ResponseWriter, r *http.Request, below string) error {
	path, escaped := strings.CutPrefix(r.URL.EscapedPath(), below)
	at := findPath(table, path, escaped)
	if at == "" || !escaped { // such as one in which a letter is escaped
		path, escaped = strings.TrimPrefix(r.URL.Path, below), false
		if at = findPath(table, path, escaped); at == "" {
			return notFound()
		}
	}
	var allow []string
	for i := range table {
		e := &table[i]
		switch {
		case e.path != at:
		case e.method == r.Method:
			query, err := e.takes.Read(r.URL.RawQuery)
			if err != nil {
				return err
			}
			name, _ := e.match(path, escaped)
			return e.serve(w, &request{r, name, query})
		default:
			allow = append(allow, e.method)
		}
	}
	return notAllowed(w, "the method is not one of "+strings.Join(allow, ", "), strings.Join(allow, ", "))
}

// findPath is the path of a table that matches, "" when none does. Of several it is the one
// that says most: routes/schema rather than routes/{name}, and users/{user}/connections rather
// than users/{user}.
func findPath(table []endpoint, path string, escaped bool) (found string) {
	for i := range table {
		_, ok := table[i].match(path, escaped)
		at := table[i].path
		if ok && (found == "" || !strings.Contains(at, "{") || len(at) > len(found) && strings.Contains(found, "{")) {
			found = at
		}
	}
	return found
}
