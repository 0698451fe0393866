package npm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// policy is as strict as a page can have it: scripts and connections of its own origin, and
// nothing that makes a script of text.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// A page with a strict Content Security Policy, isolated from other origins, follows events over
// each transport by the client that the node serves, and nothing of it violates the policy.
func TestAPageWithAStrictPolicyFollowsEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	write(t, dir, "index.html", `<!doctype html><title>Strict</title><script src="violations.js"></script><script type="module" src="page.js"></script>`)
	write(t, dir, "violations.js", `window.violations = []
		document.addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI))`)
	write(t, dir, "page.js", `import { connect } from "/_weft/v1/client.js?v=1"
		window.seen = []
		window.shown = {}
		const token = () => fetch("/token?user=ann").then(r => r.text())
		for (const options of [{ transports: ["websocket"], shared: false }, { transports: ["sse"], shared: false }, { transports: ["poll"], shared: false }, {}]) {
			const weft = connect({ token, ...options }), name = options.transports?.[0] ?? "shared"
			weft.on("*", e => seen.push(name + " " + e.data))
			weft.onState(s => shown[name] = s.state)
		}`)
	server := startSite(t, dir, node, "Content-Security-Policy", policy,
		"Cross-Origin-Opener-Policy", "same-origin", "Cross-Origin-Embedder-Policy", "require-corp")
	tab := chromium(t).NewTab(t)
	tab.Visit(server.URL)
	shows(t, tab, `Object.values(window.shown ?? {}).join()`, func(got string) bool { return strings.Count(got, "open") == 4 })
	publish(t, node, "user=ann", "hello")
	const want = "poll hello,shared hello,sse hello,websocket hello"
	shows(t, tab, "[...seen].sort().join()", func(got string) bool { return got == want })
	if violations := tab.Run("violations.join()"); violations != "" {
		t.Errorf("violated: %s", violations)
	}
	if isolated := tab.Run("crossOriginIsolated"); isolated != "true" {
		t.Error("the page is not isolated, so this tests little")
	}
	// The policy is in force: this is what it refuses.
	tab.Run(`(() => { try { setTimeout("1") } catch {} })()`)
	waitfor.Within(t, time.Minute, "the policy refuses a script of text", func() bool { return tab.Run("violations.join()") != "" })
}

// A page of another origin loads the client from the node, which is then where the events are.
func TestAPageOfAnotherOriginFollowsEvents(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.cors_origins", []string{b.Origin}))
	tab := b.NewTab(t)
	tab.Run(fmt.Sprintf(`(window.seen = [], import(%q).then(({connect}) => {
		const weft = connect({ token: %q })
		weft.onState(s => window.shown = s.state)
		weft.on("*", e => seen.push(e.data))
	}), "")`, node.URL()+"/_weft/v1/client.js", stage.Token(t, "ann", nil)))
	shows(t, tab, "window.shown", func(got string) bool { return got == "open" })
	publish(t, node, "user=ann", "hello")
	shows(t, tab, "seen.join()", func(got string) bool { return got == "hello" })
}
