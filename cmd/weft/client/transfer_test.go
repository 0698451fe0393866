package client

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// exportOf is an export of n entries.
func exportOf(n int) string {
	var b strings.Builder
	b.WriteString(`{"weft":"export","version":1}` + "\n")
	for i := range n {
		fmt.Fprintf(&b, `{"bucket":"blacklist","key":"s%d"}`+"\n", i)
	}
	fmt.Fprintf(&b, `{"weft":"end","entries":%d}`+"\n", n)
	return b.String()
}

func TestAnImportIsSentInPartsAndAgainWhileWaitingHelps(t *testing.T) {
	var firsts []string
	got, refused := 0, 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(firsts) == 1 && refused < 2 {
			refused++
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		firsts = append(firsts, r.URL.Query().Get("first_line"))
		got += bytes.Count(body, []byte("\n"))
		fmt.Fprintf(w, `{"stored":%d}`, bytes.Count(body, []byte("\n")))
	}))
	defer s.Close()
	const entries = 2*importLines + 1
	told := 0
	done, err := Admin{URL: s.URL}.Import(t.Context(), strings.NewReader(exportOf(entries)), func(Imported) { told++ })
	if err != nil || done.Stored != entries || got != entries || refused != 2 || told != 3 {
		t.Errorf("%+v, %v; %d sent, %d refused, told %d times", done, err, got, refused, told)
	}
	if strings.Join(firsts, " ") != "2 2002 4002" {
		t.Errorf("first lines: %v", firsts)
	}
	if _, err := (Admin{URL: s.URL}).Import(t.Context(), strings.NewReader(exportOf(0)), nil); err != nil {
		t.Errorf("an export of nothing: %v", err)
	}
}

func TestAnExportThatIsCutOffIsNone(t *testing.T) {
	text := exportOf(3)
	for name, c := range map[string]struct {
		answer string
		ok     bool
	}{"whole": {text, true}, "no end": {text[:strings.LastIndex(text, `{"weft"`)], false},
		"half a line": {text[:len(text)-20], false}, "one is missing": {strings.Replace(text, `{"bucket":"blacklist","key":"s1"}`+"\n", "", 1), false}} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.answer) }))
		var out bytes.Buffer
		n, err := Admin{URL: s.URL}.Export(t.Context(), &out)
		if (err == nil) != c.ok || c.ok && (n != 3 || out.String() != text) {
			t.Errorf("%s: %d entries, %v", name, n, err)
		}
		s.Close()
	}
}
