// One user's tab: holds the token and the last id, shows what arrives.
import { open } from "./transport.js";
import { call, clock } from "./api.js";

const transportNames = { sse: "SSE", websocket: "WebSocket", poll: "long poll" };
const wayNames = { kafka: "Kafka", nats: "NATS", http: "HTTP" };
const maxShown = 200;

export class Inbox extends EventTarget {
  state = "closed"; // connecting, open, closed (by us), ended (by the node)
  received = 0;
  twice = 0;
  resets = 0;
  missed = 0;
  lastId = "";
  token = null; // what the next connection uses
  #setup; #root; #connection = null; #reason = "";
  #used = null; // the token of the connection
  #subjects = [];
  #pending = new Set(); // events sent from this page that have not arrived
  #away = null;         // those of them that were sent before we came back
  #seen = new Set();
  #note = null; #resumedAt = 0;

  constructor(user, kind, setup) {
    super();
    this.user = user;
    this.name = user[0].toUpperCase() + user.slice(1);
    this.#setup = setup;
    this.#root = document.getElementById("tab-template").content.firstElementChild.cloneNode(true);
    const root = this.#root;
    root.dataset.user = user;
    root.setAttribute("aria-label", `${this.name}’s tab`);
    this.#find(".avatar").textContent = this.name[0];
    this.#find("h2").textContent = this.name;
    this.#find(".log").setAttribute("aria-label", `Events of ${this.name}`);
    for (const radio of root.querySelectorAll("input[type=radio]")) {
      radio.name = "transport-" + user;
      radio.checked = radio.value === kind;
      radio.onchange = () => this.#switchTransport();
    }
    this.#find(".connect").onclick = () => (this.#connection ? this.drop() : this.connect());
    this.#find(".revoke").onclick = () => this.#attempt(() => this.revoke());
    this.#find(".renew").onclick = () => this.#attempt(() => this.renew());
    this.#show();
  }

  get element() { return this.#root; }
  get kind() { return this.#root.querySelector("input[type=radio]:checked").value; }
  #find(selector) { return this.#root.querySelector(selector); }

  // expect announces an event before it is sent; forget takes it back.
  expect(n) { this.#pending.add(n); }
  forget(n) { this.#pending.delete(n); }

  connect() {
    const back = this.lastId !== "";
    this.missed = 0;
    this.#away = back ? new Set(this.#pending) : null;
    this.#note = null;
    this.#used = this.token;
    this.#connection = open({
      kind: this.kind,
      url: this.#setup.events,
      token: this.#used.token,
      subjects: [this.#setup.topic.subject],
      lastId: this.lastId,
      on: {
        connecting: (why) => this.#become("connecting", why),
        open: (info) => this.#opened(info, back),
        cursor: (id) => { this.lastId = id; this.#show(); },
        event: (frame) => this.#arrived(frame),
        reset: (info) => { this.resets++; this.#line(`reset: ${info.reason ?? "history was gone"}`, "bad"); this.#show(); },
        ended: (ending) => {
          this.#connection = null;
          this.#become("ended", ending.reason.replace(/^token_/, ""));
          this.#line(`ended by the node: ${ending.reason}`, "bad");
        },
      },
    });
  }

  // drop closes the connection for real; the node learns it from the network.
  drop() {
    this.#connection?.close();
    this.#connection = null;
    this.#become("closed", "dropped");
    this.#line("connection dropped");
  }

  // revoke takes away what the connection uses; without one, what the next would.
  async revoke() {
    const { session } = this.#connection ? this.#used : this.token;
    this.#line(`revoking token ${session}`);
    await call("revoke", { session });
  }

  async renew() {
    const had = this.token !== null;
    this.token = await call("token", { user: this.user });
    if (had) this.#line(this.#connection ? "new token, for the next connection" : "new token");
    this.#show();
    this.dispatchEvent(new Event("token"));
  }

  async #attempt(action) {
    try { await action(); } catch (err) { this.#line(err.message, "bad"); }
  }

  // A cursor is good for every transport: switching is leaving and coming back.
  #switchTransport() {
    if (!this.#connection) return;
    this.#connection.close();
    this.#line(`switched to ${transportNames[this.kind]}`);
    this.connect();
  }

  #opened(info, back) {
    this.#subjects = info.subjects ?? ["user." + this.user, this.#setup.topic.subject];
    this.#become("open");
    if (!back || this.#note) return;
    this.#resumedAt = performance.now();
    this.#note = this.#line("", "back");
    this.#countMissed();
  }

  #countMissed() {
    const all = this.missed + (this.#away?.size ?? 0);
    const text = this.missed === all ? `${this.missed}` : `${this.missed} of ${all}`;
    this.#note.firstChild.textContent = `back with the last id · missed while away: ${text}`;
  }

  #arrived(frame) {
    const data = frame.data ?? {};
    this.received++;
    const key = data.n === undefined ? frame.id : `${data.sent}/${data.n}`;
    const twice = this.#seen.has(key);
    if (twice) this.twice++;
    this.#seen.add(key);

    this.#pending.delete(data.n);
    // What this page sent we know; for what came by hand, that it follows at
    // once on our return tells.
    const byHand = data.n === undefined && this.#note !== null && performance.now() - this.#resumedAt < 300;
    const missed = this.#away?.delete(data.n) || byHand;
    this.#find(".events").prepend(this.#eventElement(frame, data, missed));
    if (missed) {
      this.missed++;
      // The note stands above what it announces.
      if (this.#note) this.#find(".events").prepend(this.#note);
      if (this.#note) this.#countMissed();
    }
    this.#show();
    this.dispatchEvent(new CustomEvent("event", { detail: frame }));
  }

  #eventElement(frame, data, missed) {
    const li = document.createElement("li");
    li.className = "event fresh" + (missed ? " missed" : "");
    li.dataset.n = data.n ?? "";
    const put = (parent, tag, className, text) => {
      const e = document.createElement(tag);
      e.className = className;
      e.textContent = text;
      parent.append(e);
      return e;
    };
    const line = put(li, "div", "line", "");
    put(line, "span", "type", frame.type ?? "no type");
    if (data.n !== undefined) put(line, "span", "n", "#" + data.n);
    if (missed) put(line, "span", "tag", "missed while away");
    put(line, "span", "road", `${wayNames[data.via] ?? "by hand"} → ${transportNames[this.kind]}${delay(data.sent)}`);
    const text = data.text ?? (typeof frame.data === "string" ? frame.data : frame.data_base64 ?? JSON.stringify(frame.data));
    put(li, "div", "text", text ?? "");
    const meta = put(li, "div", "meta", frame.subject ? `${frame.subject} · id ` : "id ");
    put(meta, "code", "", frame.id).title = frame.id;
    return li;
  }

  // line puts a remark between the events.
  #line(text, kind = "") {
    const li = document.createElement("li");
    li.className = "note " + kind;
    const span = document.createElement("span");
    span.textContent = text;
    li.append(span);
    const list = this.#find(".events");
    list.prepend(li);
    while (list.childElementCount > maxShown) list.lastElementChild.remove();
    return li;
  }

  // The connection keeps its token when there is a new one.
  #tokens() {
    const next = this.token?.session ?? "none yet";
    return this.#connection && this.#used !== this.token ? `${this.#used.session}, then ${next}` : next;
  }

  #become(state, reason = "") {
    this.state = state;
    this.#reason = reason ?? "";
    this.#show();
    this.dispatchEvent(new Event("state"));
  }

  #show() {
    const put = (selector, text) => {
      const e = this.#find(selector);
      if (e.textContent !== text) e.textContent = text;
      e.title = text;
    };
    const words = { connecting: "connecting", open: "open", closed: "closed", ended: "closed" };
    this.#find(".state").dataset.state = this.state;
    put(".state b", words[this.state] + (this.#reason ? `: ${this.#reason}` : ""));
    put(".connect", this.#connection ? "Drop" : this.lastId ? "Reconnect" : "Connect");
    this.#find(".connect").classList.toggle("primary", !this.#connection);
    put(".last-id code", this.lastId || "none yet");
    put(".subjects", this.#subjects.join(", ") || "none yet");
    put(".received", String(this.received));
    put(".twice", String(this.twice));
    this.#find(".twice").classList.toggle("wrong", this.twice > 0);
    put(".resets", String(this.resets));
    put(".session code", this.#tokens());
    this.dispatchEvent(new Event("change"));
  }
}

// delay spells how long an event took from the click; sent is this page's own
// clock, which came along in the payload.
function delay(sent) {
  if (sent === undefined) return "";
  const ms = clock() - sent;
  return ms < 1000 ? ` · ${ms.toFixed(ms < 10 ? 1 : 0)} ms` : ` · ${(ms / 1000).toFixed(1)} s`;
}
