package natsclients

import (
	"io"
	"net/http"
	"testing"
	"time"

	"weft/test/stage"
)

const service = "orders"

var asService = who{name: "service", login: Login{User: service, Password: password, InboxPrefix: "_INBOX_" + service},
	settings: map[string]any{"node.users": append(users(), map[string]any{"name": service, "password": password, "role": "service"})}}

// Every library serves requests of the front end, as a client on loopback and as a user
// with the role.
func TestEveryLibraryIsAService(t *testing.T) {
	for _, w := range []who{local, asService} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := w.node(t)
			stage.PutRoute(t, n, "serve", stage.Route{"pattern": "/serve/{library}", "target": "nats://svc.{library}", "auth": stage.Route{"mode": "none"}})
			for i, lib := range Libraries() {
				name := string(rune('a' + i))
				w.connect(t, lib, n).do(Request{Op: OpServe, Subject: "svc." + name, Value: "made by " + name,
					Headers: map[string]string{"weft-status": "201", "weft-header-Location": "/" + name}})
				awaitStatus(t, n, "/serve/"+name, http.StatusCreated)
				client := http.Client{Timeout: 20 * time.Second}
				answer, err := client.Post(n.URL()+"/serve/"+name, "text/plain", nil)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil || answer.StatusCode != http.StatusCreated || string(text) != "made by "+name || answer.Header.Get("Location") != "/"+name {
					t.Errorf("%s: %d %q %v, %v", lib.Name, answer.StatusCode, text, answer.Header, err)
				}
			}
		})
	}
}
