package route_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"weft/edge/route"
)

var update = flag.Bool("update", false, "write the table of fields into docs/routes.md")

func TestTheDocsHoldTheTableOfAllFields(t *testing.T) {
	const manual, begin, end = "../../docs/routes.md", "<!-- fields -->\n", "<!-- /fields -->"
	var want strings.Builder
	if err := route.WriteReference(&want); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	have, tail, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no place for the table of fields", manual)
	case have == want.String():
	case !*update:
		t.Fatalf("the table of fields in %s is not what the code says; make docs", manual)
	default:
		if err := os.WriteFile(manual, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Each document that the manual shows is one that is taken.
func TestEachDocumentInTheDocsIsGood(t *testing.T) {
	document := regexp.MustCompile(`(?m)^    (\{"pattern".*\n(?:^     .*\n)*)`)
	for _, page := range []string{"../../docs/routes.md", "../../docs/coming-from-rig.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := document.FindAllSubmatch(text, -1)
		if len(found) < 3 {
			t.Errorf("%s shows %d documents", page, len(found))
		}
		for _, m := range found {
			if _, errs := route.Parse("shown", m[1]); len(errs) > 0 {
				t.Errorf("%s shows\n%s%v", page, m[1], errs)
			}
		}
	}
}
