package pattern

import (
	"errors"
	"net/url"
	"strings"
)

// ErrPath is wrapped by what ParsePath says of a path that is refused before matching.
var ErrPath = errors.New("bad path")

// A Path is the path of a request, as it was sent.
type Path struct {
	raw     []string // segments, escaped
	decoded []string
}

// ParsePath reads the path of a request, in the form that it was sent in. Its errors are
// safe to show.
func ParsePath(sent string) (*Path, error) {
	if !strings.HasPrefix(sent, "/") {
		return nil, ErrPath
	}
	p := &Path{raw: strings.Split(sent[1:], "/")}
	for _, s := range p.raw {
		d, err := url.PathUnescape(s)
		if err != nil {
			return nil, ErrPath
		}
		p.decoded = append(p.decoded, d)
	}
	return p, nil
}
