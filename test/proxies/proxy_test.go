//go:build unix

package proxies

import (
	_ "embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"weft/test/stage"
)

//go:embed testdata/page.html
var followersPage string

// section is the first block of code below a heading of a page of the documentation.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", page, heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	block := regexp.MustCompile(`(?m)(?:^    .*\n+)+`).FindString(rest)
	if block == "" {
		t.Fatalf("%s: %q has no code", page, heading)
	}
	return regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, "")
}

// backEnd is what a page has behind the same proxy as Weft: it signs everybody in as a user,
// and gives tokens.
func backEnd(t *testing.T, user string, pages map[string]string) string {
	t.Helper()
	mux := http.NewServeMux()
	for path, text := range pages {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "weft_token", Value: stage.Token(t, user, nil), Path: "/_weft/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, text)
		})
	}
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, stage.Token(t, user, nil)) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// A kind is a proxy: what surrounds a snippet in its file, how it is started, and how it is told
// to read its file again, if it can be told so.
type kind struct {
	name   string
	file   func(folder, snippet string) string
	start  func(folder, file string) *exec.Cmd
	reload func(p *stage.Process, folder, file string) error
}

var nginx = kind{"nginx", func(folder, snippet string) string {
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n" // who may write to the folder
	}
	return user + fmt.Sprintf("daemon off;\nworker_processes 1;\npid %[1]s/pid;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/a;\nproxy_temp_path %[1]s/b;\nfastcgi_temp_path %[1]s/c;\nuwsgi_temp_path %[1]s/d;\nscgi_temp_path %[1]s/e;\n%[2]s}\n", folder, snippet)
}, func(folder, file string) *exec.Cmd {
	return exec.Command(installed("nginx"), "-p", folder, "-e", "stderr", "-c", file)
}, func(p *stage.Process, _, _ string) error { return p.Signal(syscall.SIGHUP) }}

var haproxy = kind{"HAProxy", func(_, snippet string) string { return snippet },
	func(_, file string) *exec.Cmd { return exec.Command(installed("haproxy"), "-W", "-f", file) },
	func(p *stage.Process, _, _ string) error { return p.Signal(syscall.SIGUSR2) }}

var caddy = kind{"Caddy", func(folder, snippet string) string {
	return "{\nadmin unix/" + folder + "/admin\nauto_https disable_redirects\nskip_install_trust\nservers {\nprotocols h1 h2\n}\n}\n" + snippet
}, func(folder, file string) *exec.Cmd {
	cmd := exec.Command(installed("caddy"), "run", "--adapter", "caddyfile", "--config", file)
	cmd.Env = append(os.Environ(), "HOME="+folder, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	return cmd
}, func(_ *stage.Process, folder, file string) error {
	out, err := exec.Command(installed("caddy"), "reload", "--force", "--adapter", "caddyfile", "--config", file, "--address", "unix/"+folder+"/admin").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}}

// envoyOf is Envoy of the folder that it is installed in. It has no signal for its file.
func envoyOf(home string) kind {
	return kind{"Envoy", func(_, snippet string) string { return snippet }, func(_, file string) *exec.Cmd {
		return exec.Command(filepath.Join(home, "python", "envoy", "_bin", "envoy"), "--config-path", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn")
	}, nil}
}

// installed is the path of a program, which Debian has where users have no path to.
func installed(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return filepath.Join("/usr/sbin", name)
}

// run starts a proxy with a snippet until the test ends, and waits until it takes
// connections. What it returns has it read its file again, and is nil
// where that would be another process.
func (k kind) run(t *testing.T, snippet, address string) (reload func()) {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "proxy.yaml") // Envoy goes by the ending
	if err := os.WriteFile(file, []byte(k.file(folder, snippet)), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := stage.StartProcess(k.name, k.start(folder, file))
	if err != nil {
		t.Fatalf("%v; test/scripts/prepare.sh installs it", err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			lines := p.Output()
			t.Logf("last output of %s:\n%s", k.name, strings.Join(lines[max(0, len(lines)-30):], "\n"))
		}
	})
	eventually(t, k.name+" takes connections", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		if p.Ended() {
			t.Fatalf("%s ended:\n%s", k.name, strings.Join(p.Output(), "\n"))
		}
		return err == nil
	}, func() any { return p.Output() })
	if k.reload == nil {
		return nil
	}
	return func() {
		t.Helper()
		if err := k.reload(p, folder, file); err != nil {
			t.Fatalf("reload %s: %v", k.name, err)
		}
	}
}
