package npm

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/browser"
	"weft/test/stage"
)

// documented is the first block of code below a heading of docs/browser.md.
func documented(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/browser.md")
	must(t, err)
	_, rest, ok := strings.Cut("\n"+string(text), "\n"+heading+"\n")
	block := regexp.MustCompile(`(?m)(?:^    .*\n+)+`).FindString(rest)
	if !ok || block == "" {
		t.Fatalf("docs/browser.md has no code at %q", heading)
	}
	return regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, "")
}

// A page as docs/browser.md has it does what is said there: the example that it begins with, the
// whole page, and the component. The back end's orders are a file.
func TestThePagesOfTheDocsDoWhatIsSaid(t *testing.T) {
	t.Parallel()
	dir := project(t)
	write(t, dir, "orders", `[{"id": 1, "room": "a", "total": 10}]`)
	write(t, dir, "example.html", fmt.Sprintf(`<!doctype html><title>Example</title><script>
		window.seen = []
		const show = (type, data) => seen.push(type + " " + data.id), loadEverything = () => seen.push("reset")
		const showState = (...s) => window.state = s.join(" "), showVisitors = n => window.visitors = n
		addEventListener("error", e => seen.push(e.message))
		addEventListener("unhandledrejection", e => seen.push(String(e.reason)))
	</script><script type="module">%s</script>`, documented(t, "# In the browser")))
	write(t, dir, "page.html", documented(t, "## A page"))
	write(t, dir, "orders.jsx", documented(t, "## React"))
	write(t, dir, "app.jsx", `import { StrictMode } from "react"
		import { createRoot } from "react-dom/client"
		import { Orders } from "./orders.jsx"
		createRoot(document.getElementById("root")).render(<StrictMode><Orders hotel="42" /></StrictMode>)`)
	run(t, dir, "node_modules/esbuild/bin/esbuild", "app.jsx", "--bundle", "--format=esm", "--jsx=automatic",
		`--define:process.env.NODE_ENV="development"`, "--outfile=app.js")
	write(t, dir, "react.html", `<!doctype html><title>React</title><div id="root"></div><script type="module" src="app.js"></script>`)

	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.keepalive", "1s").
		With("auth.allow", []string{"topic.hotel.*", "presence.topic.hotel.*"}).With("auth.publish", []string{"topic.chat.*"}))
	users := 0
	open := func(page string) *browser.Tab {
		users++
		user := fmt.Sprintf("user%d", users)
		site := browser.StartSite(t, http.FileServer(http.Dir(dir)), node.URL(), func(string) string { return stage.Token(t, user, nil) })
		tab := chromium(t).NewTab(t)
		tab.Visit(site.URL + "/" + page)
		waitfor.Within(t, time.Minute, page+" is connected", func() bool { return len(connections(t, node, user)) == 1 })
		return tab
	}
	example, page, react := open("example.html"), open("page.html"), open("react.html")
	has := func(tab *browser.Tab, value, want string) {
		t.Helper()
		shows(t, tab, value, func(got string) bool { return got == want })
	}
	has(example, "state.trim()", "open")
	has(page, `document.getElementById("state").textContent`, "")
	has(react, `document.querySelector("p").textContent`, "open")
	for subject := range strings.SplitSeq("42 43", " ") {
		waitfor.Within(t, time.Minute, "somebody follows hotel "+subject, func() bool {
			return strings.Contains(asAdmin(t, node, "topics/hotel."+subject), `"user1"`)
		})
	}
	has(example, "visitors", "3")

	publish(t, node, "subject=topic.hotel.42&type=order.paid", map[string]any{"id": 2, "room": "b", "total": 20})
	publish(t, node, "subject=topic.hotel.42&type=order.paid", map[string]any{"id": 2, "room": "b", "total": 25})
	publish(t, node, "subject=topic.hotel.43&type=order.new", map[string]any{"id": 3})
	has(example, "seen.join()", "order.paid 2,order.paid 2,order.new 3")
	const lines = `[...document.querySelectorAll("li")].map(x => x.textContent).join()`
	has(page, lines, "a: 10,b: 25")
	has(react, lines, "b: 25")

	node.Kill()
	waitfor.Within(t, time.Minute, "the page says that it is cut off", func() bool {
		return regexp.MustCompile(`^Not connected\. Next try in \d+ seconds\.$`).MatchString(page.Run(`document.getElementById("state").textContent`))
	})
	node.Start()
	has(page, `document.getElementById("state").textContent`, "")
	publish(t, node, "subject=topic.hotel.42&type=order.paid", map[string]any{"id": 4, "room": "d", "total": 40})
	has(page, lines, "a: 10,b: 25,d: 40")
	has(react, lines, "b: 25,d: 40")
}

// The tables of docs/browser.md have what the types have: each option and each state, and none
// besides.
func TestTheDocsHaveEachOptionAndState(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		text, err := os.ReadFile(path)
		must(t, err)
		return string(text)
	}
	types, page := read("../../edge/client/dist/client.d.ts"), read("../../docs/browser.md")
	between := func(text, begin, end string) string {
		_, rest, ok := strings.Cut(text, begin)
		if !ok {
			t.Fatalf("there is no %q", begin)
		}
		rest, _, _ = strings.Cut(rest, end)
		return rest
	}
	all := func(text, pattern string) (found []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return found
	}
	const row = "(?m)^\\| `([a-zA-Z]+)` \\|"
	options := all(between(types, "interface Options {", "\n}"), `(?m)^ +([a-zA-Z]+)\?:`)
	if got := all(between(page, "\n## Options\n", "\n## "), row); len(got) == 0 || !slices.Equal(got, options) {
		t.Errorf("the docs have the options %v, the types %v", got, options)
	}
	states := all(between(between(types, "interface State {", "\n}"), "state: ", ";"), `"([a-z]+)"`)
	if got := all(between(page, "| --- | --- | --- |\n| `connecting`", "\n## "), row); !slices.Equal(slices.Sorted(slices.Values(append(got, "connecting"))), states) {
		t.Errorf("the docs have the states %v, the types %v", got, states)
	}
}
