// A follower is one user of the cluster: a client that reaches the nodes by way of the
// balancer. Which of them it is at its own presence tells, in which its device is.
import { connect } from "/_weft/v1/client.js";
import { call } from "./api.js";
import { Tally } from "./tally.js";

export class Follower extends EventTarget {
  state = "connecting"; // as the client tells it
  node = "";            // the one that the connection is on, or was
  resets = 0;
  moves = 0;            // how often it came back at another node
  tally = new Tally();
  #device = "cluster page " + Math.random().toString(36).slice(2, 8);

  constructor(user, kind, url) {
    super();
    this.user = user;
    this.name = user[0].toUpperCase() + user.slice(1);
    this.kind = kind;
    this.url = url;
  }

  connect() {
    const weft = connect({
      url: this.url,
      token: () => fetch("/api/token?user=" + this.user).then((r) => r.text()),
      transports: [this.kind],
      device: this.#device,
      shared: false, // each page shows connections of its own
    });
    weft.on("*", ({ data }) => this.#arrived(data));
    weft.onReset(() => { this.resets++; this.#tell("note", `${this.name} was told that history is gone`); });
    weft.onState((s) => this.#become(s));
    weft.onPresence(this.user, ({ devices = [] }) => this.#sits(devices.filter((d) => d.device === this.#device).at(-1)?.node));
  }

  // leave has an operator send the user away, who comes back to whatever node the balancer says.
  leave() { return call("leave", { user: this.user }); }

  // A connection that has just ended may be among the devices for some seconds; the newest is last.
  #sits(node) {
    if (!node || node === this.node) return;
    if (this.node) {
      this.moves++;
      this.#tell("note", `${this.name} moved to ${node}`);
    }
    this.node = node;
    this.#tell("state");
  }

  #arrived(data) {
    if (data?.n === undefined) return; // sent by hand
    const now = performance.now();
    const fresh = this.tally.arrived(data.via, data.n, now);
    this.#tell("arrived", { via: data.via, n: data.n, at: now, fresh });
  }

  #become({ state, reason }) {
    if (this.state === "open" && state !== "open") this.#tell("note", `${this.name} left ${this.node}: ${reason ?? state}`);
    if (this.state !== "open" && state === "open" && this.node) this.#tell("note", `${this.name} is back`);
    this.state = state;
    this.#tell("state");
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}
