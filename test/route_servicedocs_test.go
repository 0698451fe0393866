package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// The service of the documentation is built, run, and asked by the route that stands
// beside it.
func TestTheServiceOfTheDocsAnswers(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()))
	program := blockWith(t, codeBlocks(t, "../docs/routes.md", "## A NATS service"), "micro.AddService")
	folder := t.TempDir()
	file := filepath.Join(folder, "main.go")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(program, "127.0.0.1:4222", n.NATSAddress())), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "orders"), file)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build it: %v\n%s", err, out)
	}
	p, err := stage.StartProcess("orders", exec.Command(filepath.Join(folder, "orders")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	text, err := os.ReadFile("../docs/routes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, document, ok := strings.Cut(string(text), "`{\"pattern\": \"GET /orders/{id}\", \"target\": \"nats://")
	document, _, found := strings.Cut(document, "`")
	if !ok || !found {
		t.Fatal("the page has no route to the service")
	}
	stage.PutRoute(t, n, "orders", "{\"pattern\": \"GET /orders/{id}\", \"target\": \"nats://"+document)
	token := "Bearer " + stage.Token(t, "ann", nil)
	eventually(t, 20*time.Second, "the service answers", func() bool {
		status, text, header := ask(t, n, "GET", "/orders/7", nil, "Authorization", token)
		return status == 200 && text == `{"for":"ann","order":"7"}` && header.Get("Content-Type") == "application/json"
	})
	if status, text, _ := ask(t, n, "GET", "/orders/8", nil, "Authorization", token); status != 404 || !strings.Contains(text, "there is no order 8") {
		t.Errorf("%d %s", status, text)
	}
}
