package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// calls is a table whose endpoints say their paths and what stood in the slot.
func calls(paths ...string) (table []endpoint, called *string) {
	called = new(string)
	for _, path := range paths {
		method, path, _ := strings.Cut(path, " ")
		table = append(table, endpoint{method: method, path: path, serve: func(_ http.ResponseWriter, r *request) error {
			*called = path + " " + r.name
			return nil
		}})
	}
	return table, called
}

func TestThePathThatSaysMostCounts(t *testing.T) {
	t.Parallel()
	table, called := calls("GET users", "GET users/{user}", "DELETE users/{user}/connections", "GET routes/{name}", "PUT routes/{name}", "GET routes/schema", "GET routes/{name}/history")
	for request, want := range map[string]string{
		"GET users":                           "users ",
		"GET users/ann":                       "users/{user} ann",
		"GET users/a/b":                       "users/{user} a/b",
		"GET users/a%2Fb":                     "users/{user} a/b",
		"GET users/a%2Fconnections":           "users/{user} a/connections",
		"GET users/%25":                       "users/{user} %",
		"DELETE users/ann/connections":        "users/{user}/connections ann",
		"DELETE users/a%2Fb/connections":      "users/{user}/connections a/b",
		"GET users/ann/connections":           "405 DELETE",
		"DELETE users/a%2Fconnections":        "405 GET",
		"GET routes/schema":                   "routes/schema ",
		"GET routes/%73chema":                 "routes/{name} schema",
		"PUT routes/schema":                   "405 GET",
		"POST routes/orders":                  "405 GET, PUT",
		"GET routes/orders/history":           "routes/{name}/history orders",
		"GET %75sers":                         "users ",
		"GET users/":                          "404",
		"GET routes//history":                 "routes/{name} /history",
		"GET user":                            "404",
		"GET users/ann%2Fconnections%2Fother": "users/{user} ann/connections/other",
	} {
		method, path, _ := strings.Cut(request, " ")
		*called = ""
		w := httptest.NewRecorder()
		err := serve(table, w, httptest.NewRequest(method, pathWeft+path, nil), pathWeft)
		got := *called
		if err != nil {
			got = strings.TrimSpace(map[bool]string{true: "404", false: "405"}[w.Header().Get("Allow") == ""] + " " + w.Header().Get("Allow"))
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", request, got, want)
		}
	}
}

func TestARevocationIsOneObjectOrNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]*revocation{
		"":                                  {},
		" \n":                               {},
		"{}":                                {},
		`{"ttl":"2h"}`:                      {TTL: "2h"},
		` {"value":"why","ttl":""} ` + "\n": {Value: "why"},
		"null":                              nil,
		"[]":                                nil,
		`"2h"`:                              nil,
		`{"ttl":null}`:                      nil,
		`{"ttl":7}`:                         nil,
		`{"ttl":"2h"} {}`:                   nil,
		`{"ttl":"2h"} more`:                 nil,
		`{"until":"2h"}`:                    nil,
		`{"TTL":"2h"}`:                      nil,
		`{"ttl":"2h"`:                       nil,
	} {
		got, err := readRevocation(strings.NewReader(text))
		switch {
		case want == nil && err == nil:
			t.Errorf("%q is taken as %+v", text, got)
		case want != nil && (err != nil || got.TTL != want.TTL || got.Value != want.Value):
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
}

// Whatever is taken is an object that says no more than a revocation does.
func FuzzRevocation(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"ttl":"2h","value":"x"}`, `{"ttl":null}`, "null", "[]", `{"a":1}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readRevocation(strings.NewReader(text))
		if err != nil {
			return
		}
		said := strings.TrimSpace(text)
		if said != "" && (said[0] != '{' || said[len(said)-1] != '}') {
			t.Errorf("%q is taken as %+v", text, got)
		}
	})
}
