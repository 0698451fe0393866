package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/config"
)

// shop is a configuration of nobody we know.
type shop struct {
	Door struct {
		Name   string        `yaml:"name"`
		Opens  time.Duration `yaml:"opens"`
		Secret string        `yaml:"secret"`
	} `yaml:"door"`
	Shelves []shelf       `yaml:"shelves"`
	Cellar  *config.Bytes `yaml:"cellar"`
	hours
}

type shelf struct {
	Goods []string `yaml:"goods"`
	Code  string   `yaml:"code" secret:"true"`
}

// hours are embedded: their keys are the shop's own.
type hours struct {
	Late bool `yaml:"late"`
}

func defaults() *shop {
	s := &shop{}
	s.Door.Opens, s.Late = 9*time.Hour, true
	return s
}

func TestAnyStructIsLoaded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(file, []byte("door: {name: front}\nshelves:\n  - {goods: [tea, rice], code: '1234'}\ncellar: 2KiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := defaults()
	l, err := config.Load(config.Source{
		Path: file, Environ: []string{"WEFT_DOOR_NAME=back", "WEFT_LATE=false", "WEFT_HELP=x", "PATH=/bin"}, FlagVariables: []string{"WEFT_HELP"},
		Settings: []config.Setting{{Flag: "--secret", Key: "door.secret", Value: "hush"}},
	}, s)
	if err != nil || l.Err() != nil {
		t.Fatal(err, l.Err())
	}
	if s.Door.Name != "back" || s.Door.Opens != 9*time.Hour || s.Door.Secret != "hush" || s.Late || *s.Cellar != 2048 ||
		!slices.Equal(s.Shelves[0].Goods, []string{"tea", "rice"}) {
		t.Errorf("got %+v", s)
	}
	var text strings.Builder
	if err := l.WriteYAML(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  name: back  # WEFT_DOOR_NAME\n", "  opens: 9h\n", `  secret: "********"  # --secret`, `    code: "********"  # ` + file + ":3\n", "late: false  # WEFT_LATE\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

func TestAFileThatIsNotThereIsAnError(t *testing.T) {
	if _, err := config.Load(config.Source{Path: filepath.Join(t.TempDir(), "none.yaml")}, defaults()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatIsTooLargeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(file, make([]byte, config.MaxFileBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(config.Source{Path: file}, defaults()); err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Errorf("got %v", err)
	}
}

func TestWhatChecksFindIsReportedWhereTheValueCameFrom(t *testing.T) {
	l := config.LoadText(config.Source{Path: "shop.yaml", Environ: []string{"WEFT_DOOR_OPENS=soon"}},
		[]byte("shelves:\n  - {code: a}\n  - goods: []\n    code: b\n"), defaults())
	cause := errors.New("the code is known")
	l.Refuse([]error{
		&config.KeyError{Key: "shelves[1].code", Msg: "is known", Err: cause},
		config.BadKey("door.opens", "is too early"), // the variable has been refused
		config.BadKey("door.name", "is empty"),
		errors.New("closed today"),
	})
	err := l.Err()
	want := "shop.yaml:4: shelves[1].code: is known\n" +
		`WEFT_DOOR_OPENS: door.opens: "soon" is no duration; write one like 250ms, 30s, 10m or 24h` + "\n" +
		"shop.yaml: door.name: is empty\n" +
		"shop.yaml: closed today"
	if err == nil || err.Error() != want || !errors.Is(err, cause) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	found := l.Locate([]error{config.BadKey("shelves[0].goods", "is missing")})
	if got := found.Err().Error(); got != "shop.yaml:2: shelves[0].goods: is missing" {
		t.Errorf("located %q", got)
	}
	if got := l.Err().Error(); got != want {
		t.Errorf("what is located counts as wrong: %s", got)
	}
}

func TestAFlagOfNoKeyIsRefused(t *testing.T) {
	l := config.LoadText(config.Source{Settings: []config.Setting{{Flag: "--roof", Key: "roof", Value: "x"}}}, nil, defaults())
	if err := l.Err(); err == nil || err.Error() != "--roof: roof: unknown key" {
		t.Errorf("got %v", err)
	}
}

func TestKeysAndTheirReference(t *testing.T) {
	var names, secret, variables []string
	for _, k := range config.Keys(defaults()) {
		names, variables = append(names, k.Name), append(variables, k.Variable())
		if k.Secret {
			secret = append(secret, k.Name)
		}
	}
	if want := []string{"door.name", "door.opens", "door.secret", "shelves", "shelves[].goods", "shelves[].code", "cellar", "late"}; !slices.Equal(names, want) {
		t.Errorf("keys %q", names)
	}
	if want := []string{"WEFT_DOOR_NAME", "WEFT_DOOR_OPENS", "WEFT_DOOR_SECRET", "WEFT_SHELVES", "", "", "WEFT_CELLAR", "WEFT_LATE"}; !slices.Equal(variables, want) {
		t.Errorf("variables %q", variables)
	}
	if want := []string{"door.secret", "shelves[].code"}; !slices.Equal(secret, want) {
		t.Errorf("secret %q", secret)
	}
	var table strings.Builder
	if err := config.WriteReference(&table, defaults(), config.ReadMeanings("door.opens\tWhen, a|b.\nlate\tIf so.\n")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| `door.opens` | `WEFT_DOOR_OPENS` | `9h` | When, a\\|b. |\n", "| `door.name` | `WEFT_DOOR_NAME` |  |  |\n", "| `late` | `WEFT_LATE` | `true` | If so. |\n", "| `shelves[].code` |  |  |  |\n"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in\n%s", want, table.String())
		}
	}
}
