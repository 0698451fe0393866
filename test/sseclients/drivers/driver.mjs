// Follows events with a client of npm and prints what it is told, a line of JSON each:
// driver.mjs <client> <address> <token>
import { createRequire } from "node:module";

const [client, address, token] = process.argv.slice(2);
const require = createRequire(process.env.WEFT_SSECLIENTS + "/package.json");
const say = (what, more = {}) => console.log(JSON.stringify({ what, ...more }));
const heard = (e) => say("event", { type: e.type ?? e.event, data: e.data });

const clients = {
  "eventsource"() {
    const { EventSource } = require("eventsource");
    const source = new EventSource(address, {
      fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: "Bearer " + token } }),
    });
    source.onopen = () => say("open");
    source.onerror = (e) => say("error", { data: String(e.message) });
    for (const type of ["message", "note", "weft.open", "weft.keepalive", "weft.close", "weft.reset"]) source.addEventListener(type, heard);
  },
  // It is for browsers, whose window and document it looks at.
  "@microsoft/fetch-event-source"() {
    globalThis.window = globalThis;
    globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
    const { fetchEventSource } = require("@microsoft/fetch-event-source");
    fetchEventSource(address, {
      headers: { Authorization: "Bearer " + token },
      async onopen(answer) { say("open", { data: String(answer.status) }); },
      onmessage: heard,
      onclose() { say("error", { data: "closed" }); },
      onerror(e) { say("error", { data: String(e) }); },
    });
  },
};
clients[client]();
