package test

import (
	"testing"

	"weft/test/stage"
)

// Who sends a request, and through whom, a back end is told by Weft alone, and by proxies
// that it trusts.
func TestABackEndIsToldWhoAsksByWeftAndTrustedProxiesAlone(t *testing.T) {
	back := stage.StartBackend(t, nil)
	forged := []string{"Forwarded", "for=192.0.2.7;proto=https", "X-Forwarded-For", "192.0.2.7", "X-Forwarded-Host", "shop.example.com",
		"X-Forwarded-Proto", "https", "X-Request-Id", "outer-1", "Weft-User", "eve", "weft_user", "eve", "Weft_Session", "eve"}
	for _, trusted := range []bool{false, true} {
		settings := stage.Settings(t.TempDir())
		if trusted {
			settings = settings.With("public.trusted_proxies", []any{"127.0.0.1"})
		}
		node := stage.StartNode(t, settings)
		stage.PutRoute(t, node, "r", stage.Route{"pattern": "/{rest...}", "target": back.URL(), "auth": stage.Route{"mode": "token", "pass_token": false}})
		back.Forget()
		res := sendTo(t, plainClient(t, false), "GET", node.URL()+"/a?b=%zz&access_token=x;y", nil,
			append([]string{"Authorization", "Bearer " + stage.Token(t, "Ann 1", stage.Claims{"jti": "s%1"})}, forged...)...)
		if res.StatusCode != 200 {
			t.Fatalf("status %d", res.StatusCode)
		}
		seen := back.Await(1)
		want := map[string]string{"Weft-User": "Ann%201", "Weft-Session": "s%251", "Weft-Route": "r",
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": node.Address(), "X-Forwarded-Proto": "http",
			"Forwarded": `for=127.0.0.1;host="` + node.Address() + `";proto=http`, "X-Request-Id": res.Header.Get("X-Request-Id")}
		if trusted {
			want["X-Forwarded-For"] = "192.0.2.7, 127.0.0.1"
			want["X-Forwarded-Host"] = "shop.example.com, " + node.Address()
			want["X-Forwarded-Proto"] = "https, http"
			want["Forwarded"] = "for=192.0.2.7;proto=https, " + want["Forwarded"]
			want["X-Request-Id"] = "outer-1"
		}
		for name, value := range want {
			if got := seen.Header[name]; len(got) != 1 || got[0] != value {
				t.Errorf("trusted %v: %s is %q, not %q", trusted, name, got, value)
			}
		}
		for _, name := range []string{"Weft_user", "Weft_session", "Authorization"} {
			if seen.Header[name] != nil {
				t.Errorf("trusted %v: %s: %q passed", trusted, name, seen.Header[name])
			}
		}
		if seen.Target != "/a?b=%zz" {
			t.Errorf("the target is %s", seen.Target)
		}
	}
}
