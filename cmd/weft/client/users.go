package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Coverage says for how much of the cluster an answer stands.
type Coverage struct {
	Answered int  `json:"nodes_answered"`
	Expected int  `json:"nodes_expected"`
	Known    int  `json:"nodes_known"`
	Complete bool `json:"complete"`
}

// Lacking says what is lacking to a whole answer, "" for nothing.
func (t Coverage) Lacking() string {
	if t.Complete {
		return ""
	}
	return fmt.Sprintf("only %d of %d nodes answered in full", t.Answered, max(t.Known, t.Expected))
}

// Users are those with connections.
type Users struct {
	Items []UserConnections `json:"items"`
	Coverage
}

// UserConnections says how many a user has.
type UserConnections struct {
	User        string `json:"user"`
	Connections int    `json:"connections"`
}

// A User is one with all connections.
type User struct {
	User        string       `json:"user"`
	Online      bool         `json:"online"`
	Connections []Connection `json:"connections"`
	Coverage
}

// A Connection is an open one. What it says of itself its client chose.
type Connection struct {
	ID        string    `json:"id"`
	Node      string    `json:"node"`
	Transport string    `json:"transport"`
	Since     time.Time `json:"since"`
	Address   string    `json:"address"`
	Agent     string    `json:"agent"`
	Device    string    `json:"device,omitempty"` // as it calls itself
	Session   string    `json:"session"`
}

// pageLimit is how many entries of a list are asked for at once.
const pageLimit = 1000

// pages reads a list from its start. get asks for a page and returns the after of
// the next one, "" when it was the last.
func pages(get func(query url.Values) (next string, err error)) error {
	query := url.Values{"limit": {strconv.Itoa(pageLimit)}}
	for after := ""; ; {
		next, err := get(query)
		switch {
		case err != nil:
			return err
		case next == "":
			return nil
		case next <= after:
			return fmt.Errorf("%w: a list that does not end", errFrame)
		}
		after = next
		query.Set("after", after)
	}
}

// Which users are listed; what is "" leaves none out.
type Which struct {
	Prefix string // of the name
	Topic  string // that they follow, without its prefix
}

// Users lists the users with connections, of the whole cluster, in order.
func (a Admin) Users(ctx context.Context, which Which) (Users, error) {
	all := Users{Items: []UserConnections{}}
	first := true
	err := pages(func(query url.Values) (string, error) {
		if which.Prefix != "" {
			query.Set("prefix", which.Prefix)
		}
		if which.Topic != "" {
			query.Set("topic", which.Topic)
		}
		var page struct {
			Users
			Next string `json:"next"`
		}
		if err := a.ask(ctx, request{method: http.MethodGet, path: "users", query: query}, &page); err != nil {
			return "", err
		}
		all.Items = append(all.Items, page.Items...)
		// The list is as whole as the least of its pages.
		if first || page.Answered < all.Answered || !page.Complete && all.Complete {
			all.Coverage = page.Coverage
		}
		first = false
		return page.Next, nil
	})
	return all, err
}

// User tells of a user's connections, of the whole cluster, the oldest first.
func (a Admin) User(ctx context.Context, user string) (User, error) {
	var u User
	err := a.ask(ctx, request{method: http.MethodGet, path: "users/" + url.PathEscape(user)}, &u)
	return u, err
}
