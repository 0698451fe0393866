package tabs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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
	{"one page, the same, SSE", 1, false, `shared: false, transports: ["sse"]`},
	{"one page that could share", 1, false, ""},
	{"12 tabs, EventSource", 12, true, ""},
	{"12 tabs, shared: false", 12, false, "shared: false"},
	{"12 tabs that share", 12, false, ""},
	{"12 tabs that share, SSE", 12, false, `transports: ["sse"]`},
}

// counting counts in a page what comes, how late that is, and what is wrong with it.
const counting = `
	Object.assign(window, { came: 0, last: 0, wrong: 0, resets: 0, late: [] })
	window.take = ({ n, at }) => {
		late.push(performance.timeOrigin + performance.now() - at)
		came++
		if (last && n !== last + 1) wrong++
		last = n
	}
	window.measured = () => {
		const sorted = late.sort((a, b) => a - b), at = q => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
		return JSON.stringify({ came, wrong, resets, p50: at(.5), p99: at(.99) })
	}
	window.anew = () => { came = wrong = resets = 0; late = []; return 0 }
`

// measured is what a page has counted.
type measured struct {
	Came, Wrong, Resets int
	P50, P99            float64 // of how late events come, in milliseconds
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
			source.addEventListener("weft.reset", () => { resets++; last = 0 })
			window.isOpen = () => source.readyState === 1
			return 0 })()`, counting, i, port, token))
	} else {
		tab.Run(fmt.Sprintf(`(async () => { %s
			const { connect } = await import("%[2]s/_weft/v1/client.js")
			window.weft = connect({ url: %[2]q, token: %[3]q, subjects: ["topic.hotel.1"], %[4]s })
			weft.on("*", e => take(e.data))
			weft.onReset(() => { resets++; last = 0 })
			window.isOpen = () => weft.state.state === "open"
		})().catch(e => { window.failed = String(e) })`, counting, node.URL(), token, w.more))
	}
}

func awaitFollowing(t testing.TB, tab *browser.Tab) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); tab.Run("window.isOpen?.() ?? window.failed") != "true"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the page is not open: %s", tab.Run("window.failed"))
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

// awaitLast waits until the pages have an event, a minute at most.
func awaitLast(t testing.TB, tabs []*browser.Tab, last int) {
	t.Helper()
	until := time.Now().Add(time.Minute)
	for _, tab := range tabs {
		for tab.Run("last") != fmt.Sprint(last) && time.Now().Before(until) {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// used is the processor time of all processes of browsers that this one has started, and the
// memory that those of pages have to themselves.
func used(t testing.TB) (cpu time.Duration, pages int64) {
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
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if !bytes.Contains(command, []byte("--type=renderer")) {
			continue
		}
		maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(maps)) {
			if f := strings.Fields(line); f[0] == "Private_Dirty:" {
				private, _ := strconv.ParseInt(f[1], 10, 64)
				pages += private << 10
			}
		}
	}
	return cpu, pages
}

// seconds is how long each round lasts.
func seconds(b *testing.B) time.Duration {
	b.Helper()
	text := os.Getenv("WEFT_CLIENT_FOR")
	if text == "" {
		return 5 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		b.Fatalf("WEFT_CLIENT_FOR: %v", err)
	}
	return d
}

// machine describes where the figures come from.
func machine() string {
	model := "unknown processor"
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%d cores, %s, %s/%s, load %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, strings.TrimSpace(string(load)))
}

// BenchmarkClient publishes 100, 1,000 and 5,000 events a second of about 130 bytes to pages that
// follow in each way, for WEFT_CLIENT_FOR (5s) each, in a browser of its own, and waits until all
// pages have all, a minute at most. WEFT_CLIENT_ONLY="1000 12 tabs" does those alone whose rate
// and name begin so.
func BenchmarkClient(b *testing.B) {
	length := seconds(b)
	b.Logf("each %v; %s; again by make bench-client", length, machine())
	b.Logf("%-26s %6s %9s %9s %6s %9s %8s %8s %7s %6s %6s %8s", "", "rate", "came/page", "µs/event", "ratio", "node µs", "p50 ms", "p99 ms", "missing", "wrong", "resets", "pages MB")
	for b.Loop() {
		for _, rate := range []int{100, 1000, 5000} {
			plain := map[int]float64{}
			for _, w := range ways {
				if strings.HasPrefix(fmt.Sprint(rate, " ", w.name), os.Getenv("WEFT_CLIENT_ONLY")) {
					w.measure(b, rate, length, plain)
				}
			}
		}
	}
	b.ReportMetric(0, "ns/op") // says nothing here
}

// measure prints a line. Ratios are to EventSource in as many tabs, of plain.
func (w way) measure(b *testing.B, rate int, length time.Duration, plain map[int]float64) {
	chromium, err := browser.Start()
	if err != nil {
		b.Fatal(err)
	}
	defer chromium.Close()
	node := floodNode(b, chromium)
	tabs := w.open(b, chromium, node)
	warm := flood(b, node, 1, 500, time.Second)
	awaitLast(b, tabs, warm)
	for _, tab := range tabs {
		tab.Run("anew()")
	}
	before, pages := used(b)
	nodeBefore, err := node.Process().CPU()
	if err != nil {
		b.Fatal(err)
	}
	last := flood(b, node, warm+1, rate, length)
	awaitLast(b, tabs, last)
	after, pagesNow := used(b)
	nodeAfter, err := node.Process().CPU()
	if err != nil {
		b.Fatal(err)
	}
	var m measured
	missing := 0
	for _, tab := range tabs {
		one := read(b, tab)
		m.Came, m.Wrong, m.Resets = m.Came+one.Came, m.Wrong+one.Wrong, m.Resets+one.Resets
		m.P50, m.P99 = max(m.P50, one.P50), max(m.P99, one.P99)
		missing += last - warm - one.Came
	}
	each := float64((after - before).Microseconds()) / float64(m.Came)
	if w.plain {
		plain[w.tabs] = each
	}
	ratio := "-" // EventSource was left out
	if plain[w.tabs] > 0 {
		ratio = fmt.Sprintf("%.2f", each/plain[w.tabs])
	}
	b.Logf("%-26s %6d %9d %9.1f %6s %9.1f %8.1f %8.1f %7d %6d %6d %8.1f", w.name, rate, m.Came/w.tabs, each, ratio,
		float64((nodeAfter-nodeBefore).Microseconds())/float64(last-warm), m.P50, m.P99, missing, m.Wrong, m.Resets, float64(pagesNow-pages)/1e6)
	for _, tab := range tabs {
		tab.Shut()
	}
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

func floodNode(t testing.TB, chromium *browser.Browser) *stage.Node {
	t.Helper()
	hosts := []string{"127.0.0.1"}
	for i := range 12 {
		hosts = append(hosts, fmt.Sprintf("tab%d.localhost", i))
	}
	return stage.StartNode(t, stage.Settings(t.TempDir()).With("public.cors_origins", []string{chromium.Origin}).
		With("public.hosts", hosts).With("public.token_in_query", true).
		With("events.max_per_subject", 10_000_000).With("auth.allow", []string{"topic.hotel.*"}))
}
