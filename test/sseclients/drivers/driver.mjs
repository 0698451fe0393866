// Follows events with a client of npm and prints what it is told, a line of JSON each:
// driver.mjs <client> <address> <token>
import { createRequire } from "node:module";

const [client, address, token] = process.argv.slice(2);
const require = createRequire(process.env.WEFT_SSECLIENTS + "/package.json");
const say = (what, more = {}) => console.log(JSON.stringify({ what, ...more }));
const headers = { Authorization: "Bearer " + token };
const types = ["message", "note", "weft.open", "weft.keepalive", "weft.close", "weft.reset"];

// heard tells of an event, and says whether it is the last one.
const heard = (type, data) => {
  say("event", { type, data });
  return type === "weft.close" && !JSON.parse(data).reconnect;
};
// Node ends when nothing holds it, which a connection that is being made does not always do.
const stays = setInterval(() => {}, 1 << 30);
const closed = () => {
  clearInterval(stays);
  say("closed");
};

// listen is for what looks like an EventSource.
const listen = (source) => {
  source.onopen = () => say("open");
  source.onerror = (e) => say("error", { data: String(e.message ?? e.error) });
  for (const type of types) {
    source.addEventListener(type, (e) => {
      if (!heard(e.type, e.data)) return;
      source.close();
      closed();
    });
  }
};
// socket is for what looks like a WebSocket that opens itself again. The place is in the URL.
let last = "";
const from = () => {
  const url = new URL(address.replace("http", "ws"));
  if (last) url.searchParams.set("last_event_id", last);
  return url.href;
};
const follow = (socket) => {
  socket.onopen = () => say("open");
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.id) last = frame.id;
    if (!heard(frame.type, JSON.stringify(frame.data ?? {}))) return;
    socket.close();
    closed();
  };
  socket.onerror = (e) => say("error", { data: String(e.message) });
};

const clients = {
  "eventsource"() {
    const { EventSource } = require("eventsource");
    listen(new EventSource(address, { fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...headers } }) }));
  },
  "event-source-polyfill"() {
    const { EventSourcePolyfill } = require("event-source-polyfill");
    listen(new EventSourcePolyfill(address, { headers, heartbeatTimeout: 60000 }));
  },
  // It is for browsers, whose window and document it looks at.
  "@microsoft/fetch-event-source"() {
    globalThis.window = globalThis;
    globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
    const { fetchEventSource } = require("@microsoft/fetch-event-source");
    const over = new AbortController();
    fetchEventSource(address, {
      headers,
      openWhenHidden: true,
      signal: over.signal,
      async onopen(answer) { say("open", { data: String(answer.status) }); },
      onmessage(e) {
        if (!heard(e.event, e.data)) return;
        over.abort();
        closed();
      },
      onclose() { throw new Error("the stream has ended"); },
      onerror(e) { say("error", { data: String(e) }); },
    });
  },
  "eventsource-client"() {
    const { createEventSource } = require("eventsource-client");
    const source = createEventSource({
      url: address,
      headers,
      onConnect: () => say("open"),
      onDisconnect: () => say("error", { data: "disconnected" }),
      onMessage({ event, data }) {
        if (!heard(event, data)) return;
        source.close();
        closed();
      },
    });
  },
  "reconnecting-websocket"() {
    const ReconnectingWebSocket = require("reconnecting-websocket");
    follow(new ReconnectingWebSocket(from, ["weft.v1", "bearer." + token], { WebSocket: require("ws") }));
  },
  "partysocket"() {
    const WebSocket = require("partysocket/ws").default;
    follow(new WebSocket(from, () => ["weft.v1", "bearer." + token], { WebSocket: require("ws") }));
  },
};
clients[client]();
