package test

import (
	"net/http"
	"testing"

	"weft/test/stage"
)

// Who has not the admin token reads, changes and answers nothing.
func TestRoutesAndAnswersNeedTheAdminToken(t *testing.T) {
	const token = "a token of operators"
	n := stage.StartNode(t, stage.Settings(t.TempDir()).With("admin.token", token))
	back := stage.StartBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	later := `{"pattern":"/later","target":"` + back.URL() + `","auth":{"mode":"none"},"reply":{}}`
	if got := askRoutes(t, n, "PUT", "/later", later, "Authorization", "Bearer "+token); got.Status != 201 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	client := send(t.Context(), n, "/later", "x")
	correlation := back.Await(1).Header.Get("Weft-Correlation")
	for _, c := range []struct{ method, path string }{
		{"GET", ""}, {"GET", "/later"}, {"PUT", "/later"}, {"PUT", "/later?dry_run=true"}, {"DELETE", "/later"}, {"GET", "/later/history"},
		{"POST", "/later/rollback?revision=1"}, {"GET", "/schema"}, {"GET", "/match?url=/later"},
	} {
		for _, header := range [][]string{{}, {"Authorization", "Bearer x"}, {"Authorization", "Bearer " + stage.Token(t, "ann", nil)}} {
			got := askRoutes(t, n, c.method, c.path, document("/eve", back.URL()), header...)
			if got.Status != 401 || got.Name != "" || got.Items != nil {
				t.Errorf("%s %s, %v: %d %s", c.method, c.path, header, got.Status, got.Body)
			}
		}
		if c.method == "GET" { // a browser hands no page of another site what it reads
			continue
		}
		if got := askRoutes(t, n, c.method, c.path, "", "Authorization", "Bearer "+token, "Sec-Fetch-Site", "cross-site", "Origin", "https://eve.example.com"); got.Status != 403 {
			t.Errorf("%s %s of a page: %d %s", c.method, c.path, got.Status, got.Body)
		}
	}
	if status, code := answerLater(t, n, correlation, "eve"); status != 401 || code != "token_missing" {
		t.Errorf("an answer without it: %d %s", status, code)
	}
	if got := askRoutes(t, n, "GET", "/later", "", "Authorization", "Bearer "+token); got.Status != 200 || got.Revision != 1 {
		t.Errorf("afterwards: %d %s", got.Status, got.Body)
	}
	select {
	case <-client.done:
		t.Errorf("the request was answered %d %s", client.status, client.text)
	default:
	}
	if status, code := answerLater(t, n, correlation, "good", "Authorization", "Bearer "+token); status != 204 {
		t.Errorf("with the token: %d %s", status, code)
	}
	if client.wait(t); client.text != "good" {
		t.Errorf("%d %s %v", client.status, client.text, client.err)
	}
}
