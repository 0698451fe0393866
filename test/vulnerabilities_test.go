package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// vulnerabilities runs what make check runs, with a database of the test's own.
func vulnerabilities(t *testing.T, database string) (out string, ok bool) {
	t.Helper()
	run := exec.CommandContext(within(t, 3*time.Minute), "scripts/vulnerabilities.sh", "-scan", "package", "./jetstream")
	run.Env = append(os.Environ(), "WEFT_VULNDB="+database)
	text, err := run.CombinedOutput()
	return string(text), err == nil
}

// database writes one in which a module has a vulnerability in all its versions.
func database(t *testing.T, module string) string {
	t.Helper()
	dir := t.TempDir()
	const id, when = "GO-2000-0001", "2000-01-01T00:00:00Z"
	type object = map[string]any
	for name, content := range map[string]any{
		"index/db.json":      object{"modified": when},
		"index/modules.json": []any{object{"path": module, "vulns": []any{object{"id": id, "modified": when}}}},
		"index/vulns.json":   []any{object{"id": id, "modified": when}},
		"ID/" + id + ".json": object{"schema_version": "1.3.1", "id": id, "modified": when, "published": when,
			"summary": "it bites", "details": "it bites",
			"affected": []any{object{"package": object{"name": module, "ecosystem": "Go"},
				"ranges":             []any{object{"type": "SEMVER", "events": []any{object{"introduced": "0"}}}},
				"ecosystem_specific": object{}}},
			"database_specific": object{"url": "https://example.com/" + id}}, // govulncheck panics without it
	} {
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + dir
}

func TestAVulnerabilityFailsTheCheckAndADatabaseThatIsAwayDoesNot(t *testing.T) {
	if out, ok := vulnerabilities(t, database(t, "github.com/nats-io/nats-server/v2")); ok || !strings.Contains(out, "GO-2000-0001") || !strings.Contains(out, "error: there are some") {
		t.Errorf("a vulnerability passes:\n%s", out)
	}
	if out, ok := vulnerabilities(t, database(t, "example.com/not-of-ours")); !ok || !strings.Contains(out, "No vulnerabilities found") {
		t.Errorf("none is found, and that fails:\n%s", out)
	}
	out, ok := vulnerabilities(t, "http://"+stage.FreeAddress(t))
	if !ok || strings.Count(out, "\n") != 1 || !strings.Contains(out, "cannot be reached") {
		t.Errorf("a database that is away fails, or is not told in one line:\n%s", out)
	}
}
