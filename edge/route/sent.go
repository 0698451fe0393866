package route

import (
	"net/http"
	"strings"
)

// SentPath is the path of a request byte for byte as it was sent: without scheme and host
// of an absolute form, which HTTP/2 does not have, and without the query. "*" is that of
// OPTIONS *.
func SentPath(r *http.Request) string {
	uri := r.RequestURI
	if uri == "" {
		return r.URL.EscapedPath() // it came by no connection
	}
	if _, after, ok := strings.Cut(uri, "://"); ok && uri[0] != '/' && r.ProtoMajor < 2 {
		at := strings.IndexAny(after, "/?")
		if at < 0 || after[at] == '?' {
			return "/"
		}
		uri = after[at:]
	}
	path, _, _ := strings.Cut(uri, "?")
	return path
}
