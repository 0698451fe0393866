package admin

import (
	"strings"
	"testing"

	"weft/edge/route/pattern"
)

// FuzzURL takes apart what an operator types: nothing of it is changed or lost, and what is
// taken for a path is judged as that of a request.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"/orders/7?x=1#y", "https://shop.example.com/a%2Fb?c", "http://h", "http:///x", "//evil", "/a://b/c", "x", "?/", "/%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		host, path, query, err := cutURL(text)
		if err != nil {
			return
		}
		sent, _, _ := strings.Cut(text, "#")
		if host != "" {
			_, sent, _ = strings.Cut(sent, "://"+host)
			if !strings.HasPrefix(sent, "/") {
				sent = "/" + sent
			}
		}
		if strings.Contains(sent, "?") {
			query = "?" + query
		}
		if strings.ContainsAny(path, "?#") || strings.ContainsAny(host, "/?#") || path+query != sent {
			t.Fatalf("%q: %q %q %q", text, host, path, query)
		}
		_, _ = pattern.ParsePath(path)
	})
}
