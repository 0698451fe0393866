package admin

import (
	"net/http"
	"strings"

	"weft/edge/problem"
	"weft/edge/route"
	"weft/edge/route/pattern"
)

// A matched is which route would serve a request, and where it would go.
type matched struct {
	Name     string            `json:"name"`
	Revision uint64            `json:"revision"`
	Pattern  string            `json:"pattern"`
	Values   map[string]string `json:"values"` // as they were sent
	// Target is the first one, with the values in it as far as they are known without
	// a token.
	Target  string   `json:"target"`
	Targets []string `json:"targets,omitempty"` // when there are several
}

// match says which route would serve a request: 404 and 405 as such a request would get.
func (a *routeAPI) match(w http.ResponseWriter, r *request) error {
	method, sent := r.query.Get("method"), r.query.Get("url")
	if method == "" {
		method = http.MethodGet
	}
	if !route.HeaderName(method) {
		return problem.New(problem.BadRequest, "method is none, such as GET")
	}
	host, path, query, err := cutURL(sent)
	if err != nil {
		return err
	}
	if method == http.MethodConnect || method == http.MethodTrace {
		return notAllowed(w, "CONNECT and TRACE are not forwarded", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
	}
	parsed, err := pattern.ParsePath(path)
	if err != nil {
		return problem.New(problem.BadRequest, err.Error())
	}
	index := a.routes.Table().Index
	found, values, ok := index.Match(method, host, parsed)
	if !ok {
		methods, every := index.Methods(host, parsed)
		if every || len(methods) == 0 {
			return problem.New(problem.NotFound, "no route serves this path")
		}
		return notAllowed(w, "no route of this path takes the method", strings.Join(methods, ", "))
	}
	m := matched{Name: found.Name, Revision: found.Revision, Pattern: found.Pattern.String(), Values: map[string]string{}}
	for i, name := range found.Pattern.Names() {
		m.Values[name] = values[i]
	}
	for i := range found.Targets {
		m.Targets = append(m.Targets, goesTo(found, &found.Targets[i], values, path, query))
	}
	if m.Target = m.Targets[0]; len(m.Targets) == 1 {
		m.Targets = nil
	}
	return answer(w, http.StatusOK, m)
}

// cutURL takes apart a URL, or what follows its host, without changing a byte.
func cutURL(text string) (host, path, query string, err error) {
	path, _, _ = strings.Cut(text, "#") // browsers do not send it
	path, query, _ = strings.Cut(path, "?")
	if scheme, rest, ok := strings.Cut(path, "://"); ok && !strings.Contains(scheme, "/") {
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			rest, slash = rest+"/", len(rest)
		}
		host, path = rest[:slash], rest[slash:]
		if host == "" {
			return "", "", "", problem.New(problem.BadRequest, "url has no host")
		}
	}
	if !strings.HasPrefix(path, "/") {
		return "", "", "", problem.New(problem.BadRequest, "url is neither one like https://shop.example.com/orders/7 nor a path")
	}
	if strings.HasPrefix(path, "/_weft/") {
		return "", "", "", problem.New(problem.NotFound, "/_weft/ is Weft's own; no route serves it")
	}
	return host, path, query, nil
}

// goesTo is where a request would be sent.
func goesTo(r *route.Route, t *route.Target, values []string, path, query string) string {
	if r.Scheme == route.Kafka {
		return t.Text
	}
	call := &route.Call{Route: r, Values: values}
	if r.Scheme == route.NATS {
		if t.Path == nil {
			return t.Text
		}
		subject, err := t.Path.Subject(call)
		if err != nil {
			return t.Text
		}
		return "nats://" + subject
	}
	if t.Path != nil {
		var err error
		if path, err = t.Path.Path(call); err != nil {
			return t.Text
		}
	}
	all := t.RawQuery
	if all != "" && query != "" {
		all += "&"
	}
	if all += query; all != "" {
		all = "?" + all
	}
	return string(r.Scheme) + "://" + t.Host + path + all
}

func notAllowed(w http.ResponseWriter, detail, allow string) error {
	w.Header().Set("Allow", allow)
	p := problem.New(problem.BadRequest, detail)
	p.Status = http.StatusMethodNotAllowed
	return p
}
