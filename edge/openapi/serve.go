package openapi

import (
	"net/http"
	"sync"

	"weft/edge/representation"
)

// A Served is a document that is made when it is first asked for. It may be used concurrently.
type Served struct {
	made func() (*representation.Representation, error)
}

// Serve serves what make makes.
func Serve(make func() ([]byte, error)) *Served {
	return &Served{sync.OnceValues(func() (*representation.Representation, error) {
		text, err := make()
		if err != nil {
			return nil, err
		}
		return representation.New("application/json", text), nil
	})}
}

// Answer answers a GET or a HEAD. It fails before it has answered, when there is no document.
func (s *Served) Answer(w http.ResponseWriter, r *http.Request) error {
	made, err := s.made()
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-cache") // another version of the node may answer the next time
	made.Answer(w, r)
	return nil
}
