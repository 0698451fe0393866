package edge

import (
	"encoding/json"
	"net/http"
	"time"

	"weft/edge/access"
	"weft/edge/parameter"
)

// A mirror shows somebody what their token grants: what one needs to know who is
// refused a subject.
type mirror struct {
	auth  *access.Authenticator
	takes parameter.List
	// asks: what no template allows is asked of a back end.
	asks func(user string) bool
}

// A grantee is what GET /_weft/v1/me answers.
type grantee struct {
	User    string     `json:"user"`
	Session string     `json:"session,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	// Subscribe is what every connection receives, Allow what it may ask for, wildcards
	// included, and Publish what it may publish to.
	Subscribe []string `json:"subscribe"`
	Allow     []string `json:"allow"`
	Publish   []string `json:"publish"`
	// Check says that what is in no list is asked of a back end.
	Check bool `json:"check,omitempty"`
}

// serve serves GET /_weft/v1/me.
func (m *mirror) serve(w http.ResponseWriter, r *http.Request) error {
	query, err := m.takes.Read(r.URL.RawQuery)
	if err != nil {
		return err
	}
	id, err := m.auth.Identify(r, query.Get("user"))
	if err != nil {
		return err
	}
	if id.User != "" {
		guestOf(w, r).Welcome()
	}
	me := grantee{
		User: id.User, Session: id.Session, Subscribe: listed(id.Subscribe), Allow: listed(id.Allow()), Publish: listed(id.Publish()),
		Check: m.asks(id.User),
	}
	if !id.Expires.IsZero() {
		me.Expires = new(id.Expires.UTC())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false) // a pattern may end with >
	return out.Encode(me)
}

// listed is a list that is [] in JSON when it is empty.
func listed(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
