package tabs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// The client follows events where there is no page: in a worker, in a worker that
// pages share, and in a frame that has no origin, where neither storage nor locks may be used.
func TestAClientFollowsWhereThereIsNoPage(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := tabsNode(t, b)
	token := stage.Token(t, "ann", nil)
	tab := b.NewTab(t)
	tab.Run(fmt.Sprintf(`(() => {
		window.said = {}
		const heard = name => ({ data }) => (said[name] ??= []).push(data)
		const code = (options, say) => 'import { connect } from "%[1]s/_weft/v1/client.js"\n' +
			'const say = what => ' + say + '\n' +
			'const weft = connect({ token: %[2]q, subjects: ["topic.hotel.1"], ...' + JSON.stringify(options) + ' })\n' +
			'weft.onState(s => say(s.state + " " + s.reason + " " + s.transport))\n' +
			'weft.on("*", e => say("has " + e.data.n))\n' +
			'addEventListener("unhandledrejection", e => say("unhandled " + e.reason))'
		const address = text => URL.createObjectURL(new Blob([text], { type: "text/javascript" }))
		new Worker(address(code({}, "postMessage(what)")), { type: "module" }).onmessage = heard("worker")
		const all = 'const ports = [], earlier = []\nself.onconnect = ({ ports: [p] }) => { ports.push(p); earlier.forEach(e => p.postMessage(e)) }\n'
		const worker = new SharedWorker(address(all + code({ transports: ["sse"] }, "{ earlier.push(what); ports.forEach(p => p.postMessage(what)) }")), { type: "module" })
		worker.port.onmessage = heard("shared worker")
		for (const shared of [true, false]) {
			const frame = document.createElement("iframe"), name = "frame " + shared
			frame.sandbox = "allow-scripts"
			frame.srcdoc = "<script type=module>" + code({ shared, persist: "local" }, 'parent.postMessage(["' + name + '", what], "*")') + "</" + "script>"
			document.body.append(frame)
		}
		addEventListener("message", ({ data: [name, data] }) => heard(name)({ data }))
	})()`, node.URL(), token))
	said := func() (all map[string][]string) {
		if err := json.Unmarshal([]byte(tab.Run("JSON.stringify(said)")), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	names := []string{"worker", "shared worker", "frame true", "frame false"}
	has := func(what string) func() bool {
		return func() bool {
			all := said()
			for _, name := range names {
				if !strings.Contains(strings.Join(all[name], "\n"), what) {
					return false
				}
			}
			return true
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(said())
		}
	})
	waitfor.Within(t, time.Minute, "each is open", has("open "))
	numbers(t, node, 1, 1)
	waitfor.Within(t, time.Minute, "each has the event", has("has 1"))
	if text := fmt.Sprint(said()); strings.Contains(text, "unhandled") {
		t.Error(text)
	}
}
