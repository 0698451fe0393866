package settings_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/cmd/weft/settings"
	"weft/config"
)

func TestTheEnvironmentOverridesTheFileAndFlagsOverrideBoth(t *testing.T) {
	l, err := load(t, settings.Source{Source: config.Source{
		Environ:  []string{"WEFT_EVENTS_MAX_AGE=2h", "WEFT_LOG_LEVEL=warn", "WEFT_CONFIG=weft.yaml"},
		Settings: []config.Setting{{Flag: "--log-level", Key: "log.level", Value: "debug"}},
	}}, "events: {max_age: 1h, max_per_subject: 7}\nlog: {level: error}\n")
	if err != nil {
		t.Fatal(err)
	}
	if l.Events.MaxAge != 2*time.Hour || l.Events.MaxPerSubject != 7 || l.Log.Level != "debug" {
		t.Errorf("got %+v %+v", l.Events, l.Log)
	}
}

func TestAListOfSectionsCanBeAVariable(t *testing.T) {
	l, err := load(t, environment("WEFT_NODE_USERS=[{name: orders, password: s, role: publisher}]"), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Node.Users) != 1 || l.Node.Users[0].Name != "orders" {
		t.Errorf("got %+v", l.Node.Users)
	}
	got := problems(t, environment("WEFT_NODE_USERS=[{name: orders, pasword: s, role: boss}]"), "")
	want := "WEFT_NODE_USERS: node.users[0].pasword: unknown key; did you mean password?\n" +
		"WEFT_NODE_USERS: node.users[0].password: is empty\n" +
		`WEFT_NODE_USERS: node.users[0].role: "boss" is none of publisher, operator and service`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

func TestVariablesOfTheOrchestratorAreNotOurs(t *testing.T) {
	ours := []string{
		"WEFT_SERVICE_HOST=10.0.0.7", "WEFT_SERVICE_PORT=4000", "WEFT_SERVICE_PORT_HTTP=4000",
		"WEFT_PORT=tcp://10.0.0.7:4000", "WEFT_PORT_4000_TCP=tcp://10.0.0.7:4000",
		"WEFT_PORT_4000_TCP_ADDR=10.0.0.7", "WEFT_HEADLESS_SERVICE_HOST=None",
	}
	if got := problems(t, environment(ours...), ""); len(got) > 0 {
		t.Errorf("refused: %q", got)
	}
	if got := problems(t, environment("WEFT_PUBLIC_PORT=4000"), ""); len(got) != 1 {
		t.Errorf("a variable that means nothing gives %q, want one problem", got)
	}
}

func TestVariablesThatStandForAFlagAreNoKeys(t *testing.T) {
	if got := problems(t, environment("WEFT_CONFIG=weft.yaml", "WEFT_TOKEN=eyJ"), ""); len(got) > 0 {
		t.Errorf("refused: %q", got)
	}
	got := problems(t, environment("WEFT_TOKENS=eyJ"), "")
	if want := "WEFT_TOKENS: unknown environment variable; did you mean WEFT_TOKEN?"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEachKeyHasItsOwnVariable(t *testing.T) {
	seen := map[string]string{settings.PathVariable: "the path of the file", settings.TokenVariable: "the token of a client"}
	for _, l := range config.Keys(settings.Default()) {
		name := l.Variable()
		if name == "" {
			continue
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%s means both %s and %s", name, other, l.Name)
		}
		if config.FromOrchestrator(name, "x") {
			t.Errorf("%s would be taken for a variable of the orchestrator", name)
		}
		seen[name] = l.Name
	}
}

func TestEachSwitchOfTuningReachesItsPart(t *testing.T) {
	for _, on := range []bool{true, false} {
		text := strconv.FormatBool(on)
		l, err := load(t, environment("WEFT_TUNING_OWN_HTTP="+text, "WEFT_TUNING_RAW_CALLS="+text, "WEFT_TUNING_TRIM_HEAP="+text), "")
		if err != nil {
			t.Fatal(err)
		}
		if edge := l.Edge().Tuning; edge.OwnHTTP != on || edge.RawCalls != on || l.Tuning.TrimHeap != on {
			t.Errorf("%v: got %+v", on, l.Tuning)
		}
	}
}
