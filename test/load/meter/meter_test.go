package meter

import (
	"strings"
	"testing"
	"time"
)

func TestProcessorTimeIsUserAndSystem(t *testing.T) {
	const stat = "4711 (a (strange) name) S 1 4711 4711 0 -1 4194560 2216 0 0 0 123 45 6 7 20 0 9 0 12345 1 2 3"
	got, err := parseStat(stat)
	if want := 1680 * time.Millisecond; err != nil || got != want {
		t.Errorf("%v, error %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", "1 (x) S 1", "1 (x) S 1 1 1 0 -1 1 1 1 1 1 one 2 3"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestPrivateMemoryIsWhatWasWritten(t *testing.T) {
	const rollup = `00400000-7ffd1c9f2000 ---p 00000000 00:00 0                      [rollup]
Rss:               18000 kB
Pss:               17000 kB
Shared_Clean:       1000 kB
Shared_Dirty:          0 kB
Private_Clean:       300 kB
Private_Dirty:     16700 kB
Referenced:        18000 kB
Private_Hugetlb:       0 kB
`
	got, err := parseRollup(rollup)
	if want := int64(16700 << 10); err != nil || got != want {
		t.Errorf("%d, error %v; want %d", got, err, want)
	}
	for _, bad := range []string{"", "Private_Clean: 1 kB\n", "Private_Dirty: 1 MB\n", "Private_Dirty: many kB\n"} {
		if _, err := parseRollup(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestAGaugeIsFoundByItsWholeName(t *testing.T) {
	const text = "# TYPE go_goroutines gauge\ngo_goroutines_old 7\ngo_goroutines{a=\"b\"} 8\ngo_goroutines 42\n"
	got, err := parseGauge(strings.NewReader(text), "go_goroutines")
	if err != nil || got != 42 {
		t.Errorf("%v, error %v; want 42", got, err)
	}
	if _, err := parseGauge(strings.NewReader(text), "go_threads"); err == nil {
		t.Error("a metric was found that is not there")
	}
}

func TestResidentMemoryIsReadByItsName(t *testing.T) {
	const status = "Name:\tweft\nVmHWM:\t  614400 kB\nVmRSS:\t  307200 kB\nRssAnon:\t  290000 kB\n"
	for name, want := range map[string]int64{"VmRSS": 300 << 20, "VmHWM": 600 << 20} {
		if got, err := parseStatus(status, name); err != nil || got != want {
			t.Errorf("%s: %d, error %v; want %d", name, got, err, want)
		}
	}
	for _, bad := range []string{"", "VmRSSX: 1 kB\n", "VmRSS: 1 MB\n", "VmRSS: many kB\n"} {
		if _, err := parseStatus(bad, "VmRSS"); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
