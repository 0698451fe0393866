package npm

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/browser"
	"weft/test/stage"
)

// shared is the browser of all tests; each tab is a visitor of its own.
var shared browser.Shared

func chromium(t testing.TB) *browser.Browser {
	t.Helper()
	return shared.Get(t)
}

// startSite serves a folder and a node; header, of names and values, goes with each file.
func startSite(t testing.TB, dir string, node *stage.Node, header ...string) *browser.Site {
	t.Helper()
	return browser.StartSite(t, http.FileServer(http.Dir(dir)), node.URL(), func(user string) string { return stage.Token(t, user, nil) }, header...)
}

// shows waits until what a script finds in a page is so; if it never is, it tells what that is.
func shows(t testing.TB, tab *browser.Tab, script string, so func(got string) bool) {
	t.Helper()
	var got string
	t.Cleanup(func() {
		if t.Failed() && !so(got) {
			t.Logf("%s is last %s", script, got)
		}
	})
	waitfor.Within(t, time.Minute, script+" is as it should", func() bool {
		got = tab.Run(script)
		return so(got)
	})
}

// write writes a file of a site.
func write(t testing.TB, dir, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}
