package client

import (
	"context"
	"net/http"
	"net/url"
)

// A Disconnect says whose connections are to end, and how.
type Disconnect struct {
	User       string
	Connection string // one of them, by its id, when there is no user
	Reason     string // what the clients are told
	Reconnect  bool   // that they are to come back
	Revoke     bool   // put the user, or the token of the connection, on the blacklist before
}

// Disconnected says what came of it.
type Disconnected struct {
	Disconnected int  `json:"disconnected"` // connections
	Revoked      bool `json:"revoked"`
	// Of a single connection: where it was, whose, and by which token.
	Node    string `json:"node,omitempty"`
	User    string `json:"user,omitempty"`
	Session string `json:"session,omitempty"`
	*Coverage
}

// Disconnect ends connections on all nodes of the cluster.
func (a Admin) Disconnect(ctx context.Context, d Disconnect) (done Disconnected, err error) {
	query := url.Values{}
	if d.Reason != "" {
		query.Set("reason", d.Reason)
	}
	for name, asked := range map[string]bool{"reconnect": d.Reconnect, "revoke": d.Revoke} {
		if asked {
			query.Set(name, "true")
		}
	}
	path := "connections/" + url.PathEscape(d.Connection)
	if d.User != "" {
		path = "users/" + url.PathEscape(d.User) + "/connections"
	}
	err = a.ask(ctx, request{method: http.MethodDelete, path: path, query: query}, &done)
	return done, err
}
