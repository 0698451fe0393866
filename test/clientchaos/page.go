package clientchaos

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"weft/test/browser"
)

// A Setting is how a page follows.
type Setting struct {
	// Transport is the only one that the page may use; empty: all, the best first.
	Transport string
	// Shared says that tabs of a user share one connection.
	Shared bool
	// By says how: by HTTP/1.1 if empty.
	By By
}

// By is a way to the nodes that has HTTP/2.
type By string

const (
	// balancerTLS is that of the balancer; page and events are of one origin, and share one
	// connection.
	balancerTLS By = "TLS"
	// nodeTLS is that of the nodes.
	nodeTLS By = "TLS of nodes"
)

// String names the setting for a table.
func (s Setting) String() string {
	name := cmp.Or(s.Transport, "any")
	if s.Shared {
		name += ", shared"
	}
	if s.By != "" {
		name += ", " + string(s.By)
	}
	return name
}

// An Entry of a page's log; page.html writes it.
type Entry struct {
	At      int64   `json:"at"` // milliseconds since 1970
	What    string  `json:"what"`
	Text    string  `json:"text"`
	State   string  `json:"state"`
	RetryAt float64 `json:"retryAt"`
	MS      int64   `json:"ms"`
	// Of an event, and of a reset.
	Subject  string   `json:"subject"`
	N        int      `json:"n"`
	Subjects []string `json:"subjects"`
	// Of a state.
	Transport string `json:"transport"`
}

func (e Entry) time() time.Time { return time.UnixMilli(e.At) }

// A Page is a tab that follows events and keeps a log.
type Page struct {
	Setting
	Name string
	User string
	Tab  *browser.Tab

	// visitor is a tab with nothing in it beside those of the user: it keeps what they share.
	visitor *browser.Tab
	where   string // the page's address
	// fresh are the subjects of which the page has seen nothing since it was opened: what
	// came before its first event of them is not due.
	fresh map[string]bool

	// log is what came since the round began, state what was shown before that.
	log   []Entry
	state Entry
	last  map[string]int // number of the last event by subject
}

// Open opens so many pages of a user, side by side, with a setting.
func (w *World) Open(s Setting, user string, tabs int, more url.Values) []*Page {
	w.t.Helper()
	site, weft := w.Site.URL, w.Balancer.URL()
	switch s.By {
	case balancerTLS:
		site, weft = w.Balancer.SecureURL(), w.Balancer.SecureURL()
	case nodeTLS:
		weft = w.Balancer.ThroughURL()
	}
	query := url.Values{"client": {weft + "/_weft/v1/client.js"}, "user": {user},
		"shared": {fmt.Sprint(s.Shared)}, "subject": {busy, quiet, flooded}}
	if s.Transport != "" {
		query.Set("transport", s.Transport)
	}
	for key, values := range more {
		query[key] = values
	}
	where := site + "/?" + query.Encode()
	visitor := w.Browser.NewTabAt(w.t, "about:blank")
	var pages []*Page
	for i := range tabs {
		p := &Page{Setting: s, User: user, Name: fmt.Sprintf("%v, tab %d", s, i+1), visitor: visitor, where: where}
		p.open()
		pages = append(pages, p)
	}
	return pages
}

// open opens the page in a tab of its own.
func (p *Page) open() {
	p.Tab = p.visitor.BesideAt(p.where)
	p.begin()
}

// begin makes the page one that was just opened.
func (p *Page) begin() {
	p.log, p.state, p.last, p.fresh = nil, Entry{}, map[string]int{}, map[string]bool{}
	for _, subject := range []string{busy, quiet, flooded, "user." + p.User} {
		p.fresh[subject] = true
	}
}

// pull reads what the page has logged. A page that is frozen cannot be asked.
func (p *Page) pull() error {
	var more []Entry
	if err := json.Unmarshal([]byte(p.Tab.Run("JSON.stringify(window.take ? take() : [])")), &more); err != nil {
		return fmt.Errorf("%s: read its log: %w", p.Name, err)
	}
	for _, e := range more {
		if e.What == "event" {
			p.last[e.Subject] = max(p.last[e.Subject], e.N)
		}
	}
	p.log = append(p.log, more...)
	return nil
}

// shown is the state that the page was told last.
func (p *Page) shown() Entry {
	for i := len(p.log) - 1; i >= 0; i-- {
		if p.log[i].What == "state" {
			return p.log[i]
		}
	}
	return p.state
}

// has says whether the page has seen all up to these numbers, of the subjects it follows.
func (p *Page) has(last map[string]int) (missing string) {
	for subject, n := range last {
		if p.follows(subject) && p.last[subject] < n && (!p.fresh[subject] || p.last[subject] > 0) {
			return fmt.Sprintf("event %d of %s, the last it has is %d", n, subject, p.last[subject])
		}
	}
	return ""
}

func (p *Page) follows(subject string) bool {
	return subject == busy || subject == quiet || subject == flooded || subject == "user."+p.User
}
