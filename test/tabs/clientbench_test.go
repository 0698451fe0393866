package tabs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/test/browser"
	"weft/test/stage"
)

// A way is how pages follow what a benchmark publishes.
type way struct {
	name  string
	tabs  int
	plain bool   // by EventSource, each page by a host name of its own
	more  string // the options of the client
}

var ways = []way{
	{"one page, EventSource", 1, true, ""},
	{"one page, shared: false", 1, false, "shared: false"},
	{"one page that could share", 1, false, ""},
	{"12 tabs, EventSource", 12, true, ""},
	{"12 tabs, shared: false", 12, false, "shared: false"},
	{"12 tabs that share", 12, false, ""},
}

// counting counts in a page what comes, how late that is, and what is wrong with it.
const counting = `
	Object.assign(window, { came: 0, last: 0, wrong: 0, resets: 0, late: [], states: [], slow: 0, connects: 0 })
	const took = { n: 0 }
	window.take = ({ n, at }) => {
		late.push(performance.timeOrigin + performance.now() - at)
		came++
		if (last && n !== last + 1) wrong++
		last = n
		if (slow) for (const end = performance.now() + slow; performance.now() < end; );
	}
	window.measured = () => {
		const sorted = late.sort((a, b) => a - b), at = q => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
		return JSON.stringify({ came, last, wrong, resets, connects, p50: at(.5), p99: at(.99), most: at(1), heap: performance.memory?.usedJSHeapSize ?? 0, state: window.weft?.state })
	}
	window.anew = () => { came = wrong = resets = connects = 0; late = []; return 0 }
`

// measured is what a page has counted.
type measured struct {
	Came, Last, Wrong, Resets, Connects int
	P50, P99, Most, Heap                float64
	State                               shownState
}

// follows lets a tab follow, and count.
func (w way) follows(t testing.TB, tab *browser.Tab, node *stage.Node, i int) {
	t.Helper()
	token := stage.Token(t, "ann", stage.Claims{"jti": fmt.Sprint("tab", i)})
	if w.plain {
		_, port, _ := strings.Cut(strings.TrimPrefix(node.URL(), "http://"), ":")
		tab.Run(fmt.Sprintf(`(() => { %s
			window.source = new EventSource("http://tab%d.localhost:%s/_weft/v1/events?subject=topic.hotel.1&access_token=%s")
			source.onmessage = e => take(JSON.parse(e.data))
			source.addEventListener("weft.open", () => { connects++ })
			source.addEventListener("weft.reset", () => { resets++; last = 0 })
			window.isOpen = () => source.readyState === 1
			return 0 })()`, counting, i, port, token))
	} else {
		tab.Run(fmt.Sprintf(`(async () => { %s
			const { connect } = await import("%[2]s/_weft/v1/client.js")
			window.weft = connect({ url: %[2]q, token: %[3]q, subjects: ["topic.hotel.1"], %[4]s })
			weft.on("*", e => take(e.data))
			weft.onReset(() => { resets++; last = 0 })
			weft.onState(s => { states.push([Math.round(performance.now()), s.state, s.reason, s.transport, s.shared].join(" ")); if (s.state === "open") connects++ })
			window.isOpen = () => weft.state.state === "open"
		})().catch(e => { window.failed = String(e) })`, counting, node.URL(), token, w.more))
	}
}

func awaitFollowing(t testing.TB, tab *browser.Tab) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); tab.Run("window.isOpen?.() ?? window.failed") != "true"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the page is not open: %s", tab.Run("JSON.stringify([window.failed, window.states])"))
		}
	}
}

func read(t testing.TB, tab *browser.Tab) (m measured) {
	t.Helper()
	if err := json.Unmarshal([]byte(tab.Run("measured()")), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// flood publishes so many events a second to the topic for a while, and returns how many.
func flood(t testing.TB, node *stage.Node, first, rate int, length time.Duration) (last int) {
	t.Helper()
	nc, err := nats.Connect("nats://" + node.NATSAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	pad, n := strings.Repeat("x", 80), first-1
	for began := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		since := min(time.Since(began), length)
		for due := first - 1 + int(since.Seconds()*float64(rate)); n < due; {
			n++
			if err := nc.Publish("topic.hotel.1", fmt.Appendf(nil, `{"n":%d,"at":%.3f,"pad":%q}`, n, float64(time.Now().UnixMicro())/1000, pad)); err != nil {
				t.Fatal(err)
			}
		}
		if since == length {
			break
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return n
}

// awaitLast waits until the pages have an event, or for as long as the limit.
func awaitLast(t testing.TB, tabs []*browser.Tab, last int, limit time.Duration) {
	t.Helper()
	until := time.Now().Add(limit)
	for _, tab := range tabs {
		for tab.Run("last") != fmt.Sprint(last) && time.Now().Before(until) {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// used is the processor time of all processes of browsers that this one has started, and the
// memory that they have to themselves: of pages, and of the others.
func used(t testing.TB) (cpu time.Duration, pages, others int64) {
	t.Helper()
	parents, chromium := map[int]int{}, []int{}
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[int][]string{}
	for _, dir := range entries {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		name, rest, _ := bytes.Cut(stat[bytes.IndexByte(stat, '(')+1:], []byte(") "))
		fields[pid] = strings.Fields(string(rest))
		parents[pid], _ = strconv.Atoi(fields[pid][1])
		if bytes.HasPrefix(name, []byte("chrom")) {
			chromium = append(chromium, pid)
		}
	}
	for _, pid := range chromium {
		above := parents[pid]
		for above > 1 && above != os.Getpid() {
			above = parents[above]
		}
		if above != os.Getpid() {
			continue
		}
		for _, i := range []int{11, 12} {
			ticks, _ := strconv.Atoi(fields[pid][i])
			cpu += time.Duration(ticks) * 10 * time.Millisecond
		}
		private := int64(0)
		maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(maps)) {
			if f := strings.Fields(line); f[0] == "Private_Dirty:" {
				private, _ = strconv.ParseInt(f[1], 10, 64)
			}
		}
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if bytes.Contains(command, []byte("--type=renderer")) {
			pages += private << 10
		} else {
			others += private << 10
		}
	}
	return cpu, pages, others
}

func environment(name string, standard time.Duration) time.Duration {
	if d, err := time.ParseDuration(os.Getenv(name)); err == nil {
		return d
	}
	return standard
}

// BenchmarkClient publishes 100, 1,000 and 5,000 events a second of about 130 bytes to pages that
// follow in each way, each for WEFT_CLIENT_FOR (10s), in a browser of its own.
func BenchmarkClient(b *testing.B) {
	length := environment("WEFT_CLIENT_FOR", 10*time.Second)
	load, _ := os.ReadFile("/proc/loadavg")
	b.Logf("load %s", load)
	b.Logf("%-28s %6s %7s %9s %9s %9s %8s %8s %6s %8s %8s", "", "rate", "come", "browser", "µs/event", "node", "p50 ms", "p99 ms", "resets", "pages MB", "others")
	for b.Loop() {
		for _, rate := range []int{100, 1000, 5000} {
			for _, w := range ways {
				if only := os.Getenv("WEFT_CLIENT_ONLY"); only != "" && !strings.Contains(fmt.Sprint(rate, " ", w.name), only) {
					continue
				}
				w.measure(b, rate, length)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
}

func (w way) measure(b *testing.B, rate int, length time.Duration) {
	chromium, err := browser.Start()
	if err != nil {
		b.Fatal(err)
	}
	defer chromium.Close()
	node := floodNode(b, chromium, 1_000_000)
	tabs := w.open(b, chromium, node)
	last := flood(b, node, 1, 500, time.Second) // warm
	awaitLast(b, tabs, last, time.Minute)
	for _, tab := range tabs {
		tab.Run("anew()")
	}
	before, pages, others := used(b)
	nodeBefore, _ := node.Process().CPU()
	began := time.Now()
	last = flood(b, node, last+1, rate, length)
	_, pagesNow, othersNow := used(b)
	awaitLast(b, tabs, last, time.Minute)
	after, _, _ := used(b)
	nodeAfter, _ := node.Process().CPU()
	took := time.Since(began).Seconds()
	var all []measured
	for _, tab := range tabs {
		all = append(all, read(b, tab))
	}
	came, resets := 0, 0
	for _, m := range all {
		came += m.Came
		resets += m.Resets
	}
	worst := func(of func(measured) float64) float64 {
		return of(slices.MaxFunc(all, func(x, y measured) int { return int(of(x)*1000) - int(of(y)*1000) }))
	}
	b.Logf("%-28s %6d %7.0f %8.1f%% %9.1f %8.1f%% %8.1f %8.1f %6d %8.1f %8.1f", w.name, rate, float64(came)/took/float64(w.tabs),
		100*(after-before).Seconds()/took, (after-before).Seconds()*1e6/float64(came), 100*(nodeAfter-nodeBefore).Seconds()/took,
		worst(func(m measured) float64 { return m.P50 }), worst(func(m measured) float64 { return m.P99 }), resets,
		float64(pagesNow-pages)/1e6, float64(othersNow-others)/1e6)
}

func (w way) open(t testing.TB, chromium *browser.Browser, node *stage.Node) (tabs []*browser.Tab) {
	t.Helper()
	for i := range w.tabs {
		tab := chromium.NewTab(t)
		if i > 0 {
			tab = tabs[0].Beside()
		}
		tabs = append(tabs, tab)
	}
	for i, tab := range tabs {
		w.follows(t, tab, node, i)
	}
	for _, tab := range tabs {
		awaitFollowing(t, tab)
	}
	return tabs
}

func floodNode(t testing.TB, chromium *browser.Browser, kept int) *stage.Node {
	t.Helper()
	hosts := []string{"127.0.0.1"}
	for i := range 12 {
		hosts = append(hosts, fmt.Sprintf("tab%d.localhost", i))
	}
	return stage.StartNode(t, stage.Settings(t.TempDir()).With("public.cors_origins", []string{chromium.Origin}).
		With("public.hosts", hosts).With("public.token_in_query", true).
		With("events.max_per_subject", kept).With("auth.allow", []string{"topic.hotel.*"}))
}
