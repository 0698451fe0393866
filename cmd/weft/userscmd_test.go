package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"weft/cmd/weft/client"
)

// Users and agents are chosen by strangers: what a terminal would obey, and what
// would make a row look like two, is not written to it.
func TestATableCannotBeForgedByANameInIt(t *testing.T) {
	const evil = "ann\x1b[2J\nroot\tx\u202eevil\u009b\x9b"
	var users, user, revoked bytes.Buffer
	if err := printUsers(&users, client.Users{Items: []client.UserConnections{{User: evil, Connections: 1}}}); err != nil {
		t.Fatal(err)
	}
	if err := printUser(&user, client.User{User: "ann", Connections: []client.Connection{{
		Node: "n1", Transport: "sse", Since: time.Now(), Address: evil, Session: evil, Agent: evil}}}); err != nil {
		t.Fatal(err)
	}
	if err := printRevoked(&revoked, []client.Revocation{{Session: evil, User: evil, Key: evil, Problem: "so"}}); err != nil {
		t.Fatal(err)
	}
	for what, out := range map[string]string{"users": users.String(), "user": user.String(), "revoked": revoked.String()} {
		if strings.ContainsAny(out, "\x1b\t\u202e\u009b") || strings.Count(out, "\n") != 2 {
			t.Errorf("%s: %q", what, out)
		}
	}
}
