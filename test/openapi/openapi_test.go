// Package openapi holds a node to what it says of itself at /_weft/v1/openapi.json: schemathesis
// makes requests of the document, good ones and bad ones, and nothing may come back that the
// document does not have.
package openapi

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stage.RemoveBinary()
	os.Exit(code)
}

const documentPath = "/_weft/v1/openapi.json"

// A listener is one of a node's, with a token for it, or "".
type listener struct {
	url, token string
	document   document
	file       string // that holds the document
}

// A document is what a listener says of itself.
type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		Security []map[string][]string
	} `json:"paths"`
}

// guarded reports whether an operation, "GET /path", needs a token.
func (d document) guarded(operation string) bool {
	method, path, _ := strings.Cut(operation, " ")
	return len(d.Paths[path][strings.ToLower(method)].Security) > 0
}

// operations are "GET /path" of all.
func (d document) operations() (list []string) {
	for path, methods := range d.Paths {
		for method := range methods {
			list = append(list, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(list)
	return list
}

func (l *listener) ask(t *testing.T, method, path string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, l.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.token != "" {
		request.Header.Set("Authorization", "Bearer "+l.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// listen reads the document of a listener.
func listen(t *testing.T, url, token string) *listener {
	t.Helper()
	l := &listener{url: url, token: token, file: filepath.Join(t.TempDir(), "openapi.json")}
	response, body := l.ask(t, "GET", documentPath)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("the document: %s %s", response.Status, body)
	}
	if err := json.Unmarshal([]byte(body), &l.document); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

// as is the listener with another token.
func (l *listener) as(token string) *listener {
	l.token = token
	return l
}

// tools is what runs a module of Python with what the script has installed.
func tools(t *testing.T) func(code string, args ...string) *exec.Cmd {
	t.Helper()
	home := stage.Installed(t, "openapi.sh")
	drivers, err := filepath.Abs("drivers")
	if err != nil {
		t.Fatal(err)
	}
	return func(code string, args ...string) *exec.Cmd {
		cmd := exec.Command("python3", append([]string{"-c", code}, args...)...)
		cmd.Dir = t.TempDir() // schemathesis keeps what it finds below
		cmd.Env = append(stage.Environment(), "PYTHONPATH="+filepath.Join(home, "python")+":"+drivers, "PYTHONDONTWRITEBYTECODE=1", "NO_COLOR=1", "COLUMNS=200")
		return cmd
	}
}

func TestANodeIsAsItsDocumentsSay(t *testing.T) {
	t.Parallel()
	python := tools(t)
	guarded := stage.StartNode(t, stage.Settings(t.TempDir()).With("admin.token", "of-operators").
		With("auth.allow", []any{"topic.hotel.*"}).With("auth.publish", []any{"topic.hotel.*"}))
	open := stage.StartNode(t, stage.Settings(t.TempDir()).With("auth.issuers", nil).With("auth.mode", "none").
		With("auth.allow", []any{"topic.hotel.*"}).With("auth.publish", []any{"topic.hotel.*"}))
	ann := stage.Token(t, "ann", nil)
	atGuarded, atOpen := surroundings{guarded.URL(), ann}, surroundings{open.URL(), ""}
	for name, c := range map[string]struct {
		listener *listener
		around   surroundings
		phases   string
		refused  bool // whatever needs a token
	}{
		"public":                   {listen(t, guarded.URL(), ann), atGuarded, "coverage,fuzzing", false},
		"admin":                    {listen(t, guarded.AdminURL(), "of-operators"), atGuarded, "coverage,fuzzing", false},
		"public without a token":   {listen(t, guarded.URL(), "").as(""), atGuarded, "coverage", true},
		"admin without a token":    {listen(t, guarded.AdminURL(), "of-operators").as(""), atGuarded, "coverage", true},
		"public in auth.mode none": {listen(t, open.URL(), ""), atOpen, "coverage,fuzzing", false},
	} {
		l := c.listener
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !c.refused { // who is, is told of no methods, and the document is the same
				holds(t, python, l)
			}
			t.Run("nothing comes back that it does not have", func(t *testing.T) {
				t.Parallel()
				answers := ask(t, python, l, c.around, c.phases)
				// A document is easy to obey with refusals alone.
				for _, operation := range l.document.operations() {
					served := slices.ContainsFunc(answers[operation], func(status int) bool { return status < 300 })
					if want := !slices.Contains(seldom, operation) && !(c.refused && l.document.guarded(operation)); served != want {
						t.Errorf("%s was answered %v; served: %v, want %v", operation, answers[operation], served, want)
					}
				}
			})
		})
	}
}

// seldom are operations that succeed only when somebody waits, a node is dead, in a test of
// their own, or that schemathesis.toml leaves out.
var seldom = []string{"POST /_weft/v1/replies/{correlation}", "DELETE /_weft/v1/nodes/{node}", "POST /_weft/v1/drain",
	"PUT /_weft/v1/routes/schema", "DELETE /_weft/v1/routes/schema", "PUT /_weft/v1/routes/match", "DELETE /_weft/v1/routes/match"}

// surroundings are where connections are opened for what asks about them.
type surroundings struct{ node, token string }

// holds looks at a document, and asks for the methods of its paths.
func holds(t *testing.T, python func(string, ...string) *exec.Cmd, l *listener) {
	t.Helper()
	t.Run("the document is OpenAPI 3.1", func(t *testing.T) {
		t.Parallel()
		if !strings.HasPrefix(l.document.OpenAPI, "3.1.") {
			t.Errorf("it is of version %s", l.document.OpenAPI)
		}
		out, err := python("from openapi_spec_validator.__main__ import main; import sys; main(sys.argv[1:])", l.file).CombinedOutput()
		if err != nil || !strings.Contains(string(out), ": OK") {
			t.Errorf("openapi-spec-validator: %v\n%s", err, out)
		}
	})
	t.Run("it has each method of each path, and no other", func(t *testing.T) {
		t.Parallel()
		for path, methods := range l.document.Paths {
			want := slices.Sorted(maps.Keys(methods))
			response, body := l.ask(t, "PROPFIND", strings.NewReplacer("{", "", "}", "").Replace(path))
			allow := strings.Split(strings.ToLower(response.Header.Get("Allow")), ", ")
			slices.Sort(allow)
			if response.StatusCode != http.StatusMethodNotAllowed || !slices.Equal(allow, want) {
				t.Errorf("%s has %v, and the node says %s, Allow %v: %s", path, want, response.Status, allow, body)
			}
		}
	})
}

// ask has schemathesis ask a listener, and returns which statuses each operation was answered.
func ask(t *testing.T, python func(string, ...string) *exec.Cmd, l *listener, around surroundings, phases string) map[string][]int {
	t.Helper()
	config, err := filepath.Abs(filepath.Join("drivers", "schemathesis.toml"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--config-file", config, "run", l.file, "--url", l.url, "--phases", phases, "--max-examples", "8", "--seed", "1",
		"--warnings", "off", "--no-color", "--exclude-path", "/_weft/v1/drain"}
	if l.token != "" {
		args = append(args, "--header", "Authorization: Bearer "+l.token)
	}
	cmd := python("from schemathesis.cli import schemathesis; schemathesis(prog_name='st')", args...)
	seen := filepath.Join(t.TempDir(), "seen")
	cmd.Env = append(cmd.Env, "WEFT_NODE="+around.node, "WEFT_TOKEN="+around.token, "WEFT_SEEN="+seen)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("schemathesis: %v\n%s", err, out)
	}
	file, err := os.Open(seen)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	answers := map[string][]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var line struct {
			Operation string
			Status    int
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		answers[line.Operation] = append(answers[line.Operation], line.Status)
	}
	return answers
}

// row is the request that a row of a table begins with.
var row = regexp.MustCompile("(?m)^\\| `((?:GET|POST|PUT|PATCH|DELETE) /[^?`]*)[?`]")

// inWords are operations that the docs have in words, and not in a row.
var inWords = regexp.MustCompile(`^(HEAD|OPTIONS) |^(PUT|DELETE) /_weft/v1/routes/(schema|match)$`)

func TestTheDocsAndTheDocumentsHaveTheSameRequests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	public, admin, ok := strings.Cut(string(text), "\n## Admin listener")
	if !ok {
		t.Fatal("docs/http.md has no part on the admin listener")
	}
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	for name, c := range map[string]struct{ url, docs string }{"public": {node.URL(), public}, "admin": {node.AdminURL(), admin}} {
		var told []string
		for _, m := range row.FindAllStringSubmatch(c.docs, -1) {
			told = append(told, strings.NewReplacer("<", "{", ">", "}").Replace(m[1]))
		}
		slices.Sort(told)
		told = slices.Compact(told)
		has := slices.DeleteFunc(listen(t, c.url, "").document.operations(), func(operation string) bool {
			return inWords.MatchString(operation)
		})
		if !slices.Equal(told, has) {
			t.Errorf("%s: docs/http.md has\n\t%s\nand the document\n\t%s", name, strings.Join(told, "\n\t"), strings.Join(has, "\n\t"))
		}
	}
}

func TestDrainIsAsItsDocumentSays(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	l := listen(t, node.AdminURL(), "")
	if !slices.Contains(l.document.operations(), "POST /_weft/v1/drain") {
		t.Fatal("drain is not in the document")
	}
	response, body := l.ask(t, "POST", "/_weft/v1/drain")
	var said struct{ Draining bool }
	if err := json.Unmarshal([]byte(body), &said); err != nil || !said.Draining || response.StatusCode != http.StatusAccepted {
		t.Errorf("drain: %s %s", response.Status, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if code, err := node.Process().Wait(ctx); err != nil || code != 0 {
		t.Errorf("the node ends with %d, %v", code, err)
	}
}
