package edge_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAnExportIsImportedElsewhere(t *testing.T) {
	t.Parallel()
	from, to := newStack(t, nil), newStack(t, nil)
	const entries = 1500 // more than one batch
	var lines strings.Builder
	for i := range entries {
		fmt.Fprintf(&lines, `{"bucket":"blacklist","key":"s%d","value":"<lost>","expires":%q}`+"\n", i, time.Now().Add(time.Hour).Format(time.RFC3339))
	}
	lines.WriteString(`{"bucket":"routes","key":"orders","value":"{\"pattern\":\"GET /a\",\"target\":\"http://127.0.0.1:1\"}"}` + "\n\n")
	lines.WriteString(`{"bucket":"blacklist","key":"odd","value_base64":"//4="}`)
	if resp, body := from.do("POST", "admin:/_weft/v1/import", "", lines.String()); resp.StatusCode != 200 ||
		strings.TrimSpace(body) != `{"stored":1502,"unchanged":0,"expired":0}` {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	resp, export := from.do("GET", "admin:/_weft/v1/export", "", "")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/jsonl" || strings.Count(export, "\n") != 1504 {
		t.Fatalf("export: %d %v %.300s", resp.StatusCode, resp.Header, export)
	}
	if !strings.HasPrefix(export, `{"weft":"export","version":1,"node":"n1"`) || !strings.HasSuffix(export, `{"weft":"end","entries":1502}`+"\n") {
		t.Errorf("head and end: %.100s … %s", export, export[len(export)-50:])
	}
	for _, want := range []string{`{"stored":1502,"unchanged":0,"expired":0}`, `{"stored":0,"unchanged":1502,"expired":0}`} {
		if resp, body := to.do("POST", "admin:/_weft/v1/import", "", export); resp.StatusCode != 200 || strings.TrimSpace(body) != want {
			t.Fatalf("import: %d %s, want %s", resp.StatusCode, body, want)
		}
	}
	_, again := to.do("GET", "admin:/_weft/v1/export", "", "")
	if strings.Count(again, "\n") != 1504 || !strings.Contains(again, `"value_base64":"//4="`) || !strings.Contains(again, `"value":"<lost>"`) {
		t.Errorf("export of what was imported: %.300s", again)
	}
}

func TestAnImportNamesTheLine(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	const head, good = `{"weft":"export","version":1}` + "\n", `{"bucket":"blacklist","key":"s1","value":"x"}` + "\n"
	for name, c := range map[string]struct{ query, body, want string }{
		"no JSON":             {"", head + good + "nonsense\n", "line 3: it is no line of an export"},
		"two on a line":       {"", strings.TrimSpace(good) + good, "line 1: it is no line of an export"},
		"an unknown field":    {"", `{"bucket":"blacklist","key":"s1","ttl":"1h"}`, "line 1: it is no line of an export"},
		"no bucket":           {"?first_line=1001", good + `{"key":"s1"}`, `line 1002: there is no bucket \"\"`},
		"no key":              {"", head + "\n" + good + `{"bucket":"routes","key":"a b"}`, "line 4: "},
		"a newer version":     {"", `{"weft":"export","version":2}`, "line 1: the export has version 2"},
		"an unknown line":     {"", `{"weft":"comment"}`, "line 1: it is neither"},
		"cut off":             {"", head + good, "the export was cut off"},
		"an entry is lost":    {"", head + good + `{"weft":"end","entries":2}`, "line 3: the export had 2 entries, and here are 1"},
		"after the end":       {"", head + `{"weft":"end","entries":0}` + "\n" + good, "line 3: it follows the end"},
		"too long":            {"", head + strings.Repeat("x", 9<<20), "line 2: it has more than"},
		"a bad first line":    {"?first_line=0", good, "first_line"},
		"a route that is bad": {"", good + `{"bucket":"routes","key":"a","value":"{\"pattern\":\"GET a\",\"target\":\"http://h\"}"}`, "line 2: the route a is bad: pattern has no path"},
		"a taken pattern": {"", good + strings.Repeat(`{"bucket":"routes","key":"a","value":"{\"pattern\":\"/a\",\"target\":\"http://h\"}"}`+"\n", 2) +
			`{"bucket":"routes","key":"b","value":"{\"pattern\":\"/a\",\"target\":\"http://h\"}"}`, `line 4: the route b is bad: pattern is that of route \"a\"`},
		"a value too large": {"", good + `{"bucket":"routes","key":"a","value":"` + strings.Repeat("x", 1<<20+1) + `"}`, "line 2: the value has more than"},
	} {
		if resp, body := s.do("POST", "admin:/_weft/v1/import"+c.query, "", c.body); resp.StatusCode != 400 || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %.300s, want %s", name, resp.StatusCode, body, c.want)
		}
	}
}

func TestAnImportedEntryCutsWhatWasIssuedBeforeItWasMade(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	made := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	line, err := json.Marshal(map[string]any{"bucket": "blacklist", "key": "user.ann", "value": "revoked", "made": made})
	s.must(err)
	if resp, body := s.do("POST", "admin:/_weft/v1/import", "", string(line)); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	for age, want := range map[time.Duration]int{11 * time.Minute: 403, 9 * time.Minute: 200} {
		token := s.token("ann", map[string]any{"iat": time.Now().Add(-age).Unix()})
		if resp, body := s.do("GET", "/_weft/v1/events?wait=0s", token, ""); resp.StatusCode != want {
			t.Errorf("a token of %v ago: %d %s, want %d", age, resp.StatusCode, body, want)
		}
	}
}

func TestANodeThatIsAloneRemovesNobody(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	if resp, body := s.do("DELETE", "admin:/_weft/v1/nodes/n2", "", ""); resp.StatusCode != 404 || !strings.Contains(body, "n2") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
