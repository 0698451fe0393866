// A seat is the card of one node: how it is, who is connected to it, and what can
// be done to it.
import { call } from "./api.js";

const words = { up: "up", stopping: "stopping", paused: "paused", down: "down" };

export class Seat {
  #root; #name; #say;

  constructor(name, say) {
    this.#name = name;
    this.#say = say;
    this.#root = document.getElementById("seat-template").content.firstElementChild.cloneNode(true);
    this.#root.dataset.node = name;
    this.#root.setAttribute("aria-label", `Node ${name}`);
    this.#find("h2").textContent = name;
    for (const button of this.#root.querySelectorAll("button")) {
      button.onclick = () => this.do(button.dataset.do);
    }
  }

  get element() { return this.#root; }
  get riders() { return this.#find(".riders"); }
  #find(selector) { return this.#root.querySelector(selector); }

  async do(deed) {
    try {
      await call("node", { name: this.#name, do: deed });
    } catch (err) {
      this.#say(err.message, true);
    }
  }

  show(node) {
    const health = node.state !== "up" ? node.state : !node.answers ? "silent" : node.ready ? "ready" : "waiting";
    this.#root.dataset.health = health;
    this.#root.dataset.leader = node.leader;
    const put = (selector, text) => {
      const e = this.#find(selector);
      if (e.textContent !== text) e.textContent = text;
    };
    put(".state b", { silent: "up, does not answer", ready: "ready", waiting: "not ready" }[health] ?? words[node.state]);
    put(".why", node.state === "down" ? node.how ?? "" : node.reason ?? "");
    put(".pid", node.pid ? `process ${node.pid}` : "no process");
    put(".connections", node.answers ? String(node.connections) : "–");
    for (const button of this.#root.querySelectorAll("button")) {
      button.hidden = !node.can.includes(button.dataset.do);
    }
  }
}
