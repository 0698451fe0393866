// The way back: requests from this page to the back ends, by the routes of the node.
import { call, route as loadRoute } from "./api.js";

const byId = (id) => document.getElementById(id);
const maxShown = 50;

export class Way {
  #base; #token; #socket = null; #ticks = 0;

  // token() is that of the user who asks.
  constructor(base, token) {
    this.#base = base;
    this.#token = token;
    const order = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ item: "tea" }) };
    byId("order").onclick = () => this.#ask("/api/orders", order);
    byId("order-later").onclick = () => this.#ask("/api/orders/later", order);
    byId("price").onclick = () => this.#ask("/api/prices/tea");
    byId("greeting").onclick = () => this.#ask("/api/greeting");
    byId("clock").onclick = () => (this.#socket ? this.#socket.close() : this.#follow());
    byId("route-put").onclick = () => this.#change("route", { document: byId("route").value, raw: false });
    byId("route-raw").onclick = () => this.#change("route", { document: byId("route").value, raw: true });
    byId("route-break").onclick = () => { byId("route").value = byId("route").value.replace('"pattern"', '"patern"'); };
    byId("route-back").onclick = () => this.#change("rollback", {});
    loadRoute().then((item) => this.#showRoute(item, true), (err) => this.#say(err.message, true));
  }

  // arrived is told of each event of the user: it may be what became of an order.
  arrived(frame) {
    const id = frame.data?.order;
    if (id !== undefined) this.#line(`event ${frame.type}`, `order ${short(id)}`, "good");
  }

  async #ask(path, request = {}) {
    const method = request.method ?? "GET";
    const began = performance.now();
    try {
      const response = await fetch(this.#base + path, { ...request, headers: { ...request.headers, Authorization: `Bearer ${this.#token()}` } });
      const body = await response.json().catch(() => ({}));
      const ms = Math.round(performance.now() - began);
      this.#line(`${method} ${path} → ${response.status}`, `${describe(body)} · ${ms} ms`, response.ok ? "good" : "bad");
    } catch {
      this.#line(`${method} ${path}`, "no answer", "bad");
    }
  }

  // A page can put its token into a WebSocket's protocols only.
  #follow() {
    const socket = new WebSocket(this.#base.replace(/^http/, "ws") + "/api/clock", ["weft.v1", `bearer.${this.#token()}`]);
    this.#socket = socket;
    this.#ticks = 0;
    socket.onmessage = () => { this.#ticks++; this.#showClock(); };
    socket.onclose = () => { this.#socket = null; this.#showClock(); };
    this.#showClock();
  }

  #showClock() {
    byId("clock").textContent = this.#socket ? "Close the WebSocket" : "Open a WebSocket";
    byId("clock-state").textContent = this.#socket ? `${this.#ticks} ticks, one connection` : this.#ticks ? `closed after ${this.#ticks} ticks` : "";
  }

  async #change(what, body) {
    this.#say("…", false);
    try {
      this.#showRoute(await call(what, body), what === "rollback");
    } catch (err) {
      this.#say(err.message, true);
    }
  }

  #showRoute(item, replace) {
    if (replace && item.route) byId("route").value = JSON.stringify(item.route, null, 2);
    const bad = item.state === "bad";
    this.#say(bad
      ? `revision ${item.revision} is bad: ${item.problem.field} ${item.problem.detail}; ${item.serving_revision ? `revision ${item.serving_revision} serves on` : "nothing serves"}`
      : `revision ${item.revision} serves`, bad);
  }

  #say(text, failed) {
    byId("route-state").textContent = text;
    byId("route-state").classList.toggle("failed", failed);
  }

  #line(what, how, kind) {
    const item = document.createElement("li");
    item.className = kind;
    item.append(Object.assign(document.createElement("b"), { textContent: what }), " ", Object.assign(document.createElement("span"), { textContent: how }));
    byId("answers").prepend(item);
    while (byId("answers").childElementCount > maxShown) byId("answers").lastElementChild.remove();
  }
}

const short = (id) => id.slice(-6);

// describe is a body in a few words.
function describe(body) {
  if (body.order !== undefined) return `order ${short(body.order)} of ${body.item}`;
  if (body.id !== undefined) return `order ${short(body.id)}, more by event`;
  if (body.price !== undefined) return `${body.item} costs ${body.price}, for ${body.for}`;
  if (body.greeting !== undefined) return `${body.greeting}, ${body.to}`;
  return body.detail ?? "";
}
