package test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/test/natsclients"
	"weft/test/stage"
)

// codeBlocks are the indented parts of a section of a page, without the indent.
func codeBlocks(t *testing.T, path, heading string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", path, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range regexp.MustCompile(`(?m)(?:^    .*\n+)+`).FindAllString(section, -1) {
		blocks = append(blocks, regexp.MustCompile(`(?m)^    `).ReplaceAllString(m, ""))
	}
	return blocks
}

// blockWith is the one block that holds a text.
func blockWith(t *testing.T, blocks []string, text string) string {
	t.Helper()
	var found []string
	for _, b := range blocks {
		if strings.Contains(b, text) {
			found = append(found, b)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d blocks hold %q", len(found), text)
	}
	return found[0]
}

// A reader types what stands in a block, at other ports and in another folder than the
// page says, so that several can do so on one machine.
type reader struct {
	t     *testing.T
	other *strings.Replacer
	env   []string
}

// types begins to run a block in a shell.
func (r *reader) types(block string) *stage.Process {
	r.t.Helper()
	cmd := exec.Command("bash", "-e", "-c", r.other.Replace(block))
	cmd.Env = r.env
	p, err := stage.StartProcess(strings.SplitN(block, "\n", 2)[0], cmd)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(p.Kill)
	return p
}

// done runs a block to its end.
func (r *reader) done(block string) []string {
	r.t.Helper()
	p := r.types(block)
	code, err := p.Wait(within(r.t, time.Minute))
	if err != nil || code != 0 {
		r.t.Fatalf("exit code %d, %v; what was typed:\n%s\nand printed:\n%s", code, err, block, strings.Join(p.Output(), "\n"))
	}
	return p.Output()
}

func awaitWord(t *testing.T, p *stage.Process, word string) string {
	t.Helper()
	line, err := p.AwaitLine(within(t, time.Minute), func(line string) bool { return strings.Contains(line, word) })
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// What the README lets a reader type within five minutes does what it says: events of
// four ways in reach a terminal and a page in a real browser, a kill loses nothing, and
// a revoked session ends alone.
func TestTheFiveMinutesOfTheREADME(t *testing.T) {
	b := chromium(t)
	tools, err := natsclients.Installed()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := stage.Binary()
	if err != nil {
		t.Fatal(err)
	}
	blocks := codeBlocks(t, "../README.md", "## Five minutes from a file to an event in the browser")
	folder := t.TempDir()
	public, admin, nats, pages := stage.FreeAddress(t), stage.FreeAddress(t), stage.FreeAddress(t), stage.FreeAddress(t)
	r := &reader{t: t,
		env: append(stage.Environment(), "NATS_URL=nats://"+nats, "HOME="+t.TempDir(),
			"WEFT_PUBLIC_LISTEN="+public, "WEFT_ADMIN_LISTEN="+admin, "WEFT_NODE_LISTEN="+nats,
			"PATH="+filepath.Dir(binary)+":"+filepath.Join(tools, "bin")+":"+os.Getenv("PATH")),
		other: strings.NewReplacer("make build\n", "", "export PATH=$PWD/bin:$PATH\n", "", "<the clone>/bin", filepath.Dir(binary),
			"/tmp/weft", folder, "127.0.0.1:4000", public, "127.0.0.1:4010", admin, "/127.0.0.1/4222", "/127.0.0.1/"+port(nats),
			"127.0.0.1:8000", pages, "http.server 8000", "http.server "+port(pages)),
	}
	in := "cd " + folder + "\n" // the folder that the terminal is in

	serve := r.types(blockWith(t, blocks, "weft serve --config"))
	awaitWord(t, serve, "msg=ready")
	listen := r.types(blockWith(t, blocks, "weft listen"))
	awaitOnline(t, "http://"+admin, "ann", 1)
	page := r.types(in + blockWith(t, blocks, "http.server"))
	_, address, _ := strings.Cut(awaitWord(t, page, "open http"), "open ")
	tab := b.NewTab(t)
	eventually(t, 20*time.Second, "a server of files", func() bool {
		conn, err := net.Dial("tcp", pages)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	tab.Visit(address)
	awaitOnline(t, "http://"+admin, "ann", 2)

	publish := blockWith(t, blocks, "weft publish")
	terminal := []string{`"data":{"hello":1}`, `"subject":"topic.hotel.42"`, `"data":{"hello":2}`, `"data":{"hello":3}`, `"data":{"hello":4}`}
	shown := []string{`greeting {"hello":1}`, `greeting {"hello":2}`, `message {"hello":3}`, `message {"hello":4}`}
	counts := func(round int, listening bool) {
		t.Helper()
		eventually(t, 30*time.Second, fmt.Sprint("each event at terminal and page, in round ", round), func() bool {
			ok, text := true, tab.Text("out")
			for _, s := range shown {
				ok = ok && strings.Count(text, s) >= round
			}
			out := strings.Join(listen.Output(), "\n")
			for _, s := range terminal {
				ok = ok && (!listening || strings.Count(out, s) >= round)
			}
			return ok
		})
		for _, s := range shown {
			if n := strings.Count(tab.Text("out"), s); n != round {
				t.Errorf("the page shows %q %d times, want %d", s, n, round)
			}
		}
	}
	r.done(publish)
	counts(1, true)

	serve.Kill()
	serve = r.types(in + "weft serve --config weft.yaml")
	awaitWord(t, serve, "msg=ready")
	r.done(publish)
	counts(2, true)

	users := r.done(blockWith(t, blocks, "weft revoke"))
	if out := strings.Join(users, "\n"); !strings.Contains(out, "s1") {
		t.Errorf("weft user ann printed %s", out)
	}
	if _, err := listen.Wait(within(t, 20*time.Second)); err != nil {
		t.Error(err)
	}
	r.done(publish)
	counts(3, false)
}

// awaitOnline waits until a user has so many connections.
func awaitOnline(t *testing.T, admin, user string, connections int) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprint(connections, " connections of ", user), func() bool {
		out, err := exec.Command("curl", "-s", admin+"/_weft/v1/users/"+user).Output()
		var answer struct{ Connections []json.RawMessage }
		return err == nil && json.Unmarshal(out, &answer) == nil && len(answer.Connections) >= connections
	})
}

// What docs/browser.md has for each transport runs in a real browser: it shows what
// comes, once and in order.
func TestTheSnippetsOfTheDocsRunInABrowser(t *testing.T) {
	b := chromium(t)
	token := func(session string) string { return stage.Token(t, "ann", stage.Claims{"jti": session}) }
	for _, c := range []struct{ heading, begin, shown string }{
		{"## EventSource", "new EventSource", "({total: x.total}) "},
		{"## WebSocket", "new WebSocket", "x.data && ({total: x.data.total})"},
		{"## Long poll", "wait=25s", "x.data && ({total: x.data.total})"},
	} {
		t.Run(c.heading, func(t *testing.T) {
			node := pageNode(t, b, func(s stage.Config) { s.With("auth.allow", []string{"topic.hotel.*"}) })
			tab := b.NewTab(t)
			snippet := blockWith(t, codeBlocks(t, "../docs/browser-plain.md", c.heading), c.begin)
			// The page is of another origin than the node, and its functions are its own.
			snippet = strings.NewReplacer(
				`new EventSource("/_weft/v1/events?subject=topic.hotel.42")`, `new EventSource("`+node.URL()+`/_weft/v1/events?subject=topic.hotel.42", {withCredentials: true})`,
				"wss://app.example.com", strings.Replace(node.URL(), "http", "ws", 1),
				`fetch("/_weft`, `fetch("`+node.URL()+`/_weft`).Replace(snippet)
			tab.Run(fmt.Sprintf(`(() => {
				document.cookie = "weft_token=%[1]s"
				window.seen = []; window.opened = ""
				const show = x => seen.push(JSON.stringify(%[2]s)), loadEverything = () => seen.push("reset")
				const sleep = ms => new Promise(r => setTimeout(r, ms)), token = %[1]q
				let last = "", back, connection;
				(async () => { %[3]s })().catch(e => seen.push(String(e)))
			})()`, token("s1"), c.shown, snippet))
			awaitOnline(t, node.AdminURL(), "ann", 1)
			for n := 1; n <= 3; n++ {
				publish(t, node, "ann", "order.paid", fmt.Appendf(nil, `{"total":%d}`, n))
				want := fmt.Sprintf(`{"total":%d}`, n)
				eventually(t, 20*time.Second, "to see "+want, func() bool { return strings.Contains(tab.Run("seen.join()"), want) })
			}
			if got := tab.Run("seen.join()"); got != `{"total":1},{"total":2},{"total":3}` {
				t.Errorf("the page has seen %s", got)
			}
		})
	}
}

// The three nodes of docs/cluster.md form a cluster that is well and takes an event.
func TestTheThreeNodesOfTheDocs(t *testing.T) {
	t.Parallel()
	binary, err := stage.Binary()
	if err != nil {
		t.Fatal(err)
	}
	blocks := codeBlocks(t, "../docs/cluster.md", "## Three nodes")
	folder := t.TempDir()
	free, err := stage.FreeAddresses(12)
	if err != nil {
		t.Fatal(err)
	}
	var other []string
	for i, kind := range []string{"422", "622", "400", "401"} {
		for n := range 3 {
			other = append(other, fmt.Sprint("127.0.0.1:", kind, n+1), free[3*i+n])
		}
	}
	r := &reader{t: t, other: strings.NewReplacer(other...),
		env: append(stage.Environment(), "HOME="+t.TempDir(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))}
	in := "cd " + folder + "\n"
	r.done(in + blockWith(t, blocks, "cat > n$i.yaml"))
	var nodes []*stage.Process
	for n, line := range strings.Split(strings.TrimSpace(blockWith(t, blocks, "weft serve")), "\n") {
		file := filepath.Join(folder, fmt.Sprintf("n%d.yaml", n+1))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(r.other.Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, r.types(in+line))
	}
	for _, n := range nodes {
		awaitWord(t, n, "msg=ready")
	}
	status, publish, _ := strings.Cut(blockWith(t, blocks, "weft cluster status"), "\n")
	eventually(t, time.Minute, "a cluster that is well", func() bool {
		p := r.types(in + status)
		code, err := p.Wait(within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return code == 0
	})
	r.done(in + publish)
}

// The weft lines of these pages are done by a node with the file that they name.
func TestEachWeftLineOfOperatingAndRoutesIsDone(t *testing.T) {
	for _, page := range []string{"operating", "routes"} {
		t.Run(page, func(t *testing.T) { doWeftLines(t, "../docs/"+page+".md") })
	}
}

func doWeftLines(t *testing.T, page string) {
	binary, err := stage.Binary()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	settings := stage.Settings(filepath.Join(folder, "data"))
	node := stage.StartNode(t, settings)
	settings.Write(t, filepath.Join(folder, "weft.yaml"))
	r := &reader{t: t, other: strings.NewReplacer(), env: append(stage.Environment(), "HOME="+t.TempDir(),
		"WEFT_ADMIN_LISTEN="+strings.TrimPrefix(node.AdminURL(), "http://"), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))}
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^    (weft .*)$`).FindAllStringSubmatch(string(text), -1) {
		found++
		r.done("cd " + folder + "\n" + m[1])
	}
	if found < 3 {
		t.Fatalf("found %d lines", found)
	}
}

// Each curl line of README and docs/ is answered with success by a node that has the
// default addresses.
func TestEachCurlLineOfTheDocsIsAnsweredWithSuccess(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("auth.allow", []string{"topic.hotel.*"}).
		With("ingest.rules", []any{map[string]any{"name": "orders", "to": []string{"user.{/customer/id}"}}}))
	token := stage.Token(t, "ann", stage.Claims{"jti": "s0"})
	serveNATS(t, node.NATS(), "svc.greet", func(m *nats.Msg) { _ = m.Respond([]byte("hello")) }) // in the other terminal
	paths, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range append(paths, "../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^    (curl .*)$`).FindAllStringSubmatch(string(text), -1) {
			found++
			line := strings.NewReplacer("http://127.0.0.1:4000", node.URL(), "http://127.0.0.1:4010", node.AdminURL()).Replace(m[1])
			status := "000"
			for limit := 3; status == "000" && limit < 60; limit *= 4 { // seconds; a machine that is busy may take more
				timed := fmt.Sprintf(`curl -s -o /dev/null --max-time %d -w '%%{http_code}' `, limit)
				cmd := exec.Command("bash", "-c", strings.Replace(line, "curl ", timed, 1))
				cmd.Env = append(stage.Environment(), "WEFT_TOKEN="+token)
				out, _ := cmd.Output() // a stream is cut at the end of its time, which is an error
				status = string(out)
			}
			if !strings.HasPrefix(status, "2") {
				t.Errorf("%s: %s is answered %q", path, m[1], status)
			}
		}
	}
	if found < 6 {
		t.Fatalf("found %d lines", found)
	}
}
