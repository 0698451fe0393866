// A follower is one user of the cluster: a connection by way of the balancer
// that comes back by itself with its last id, whatever ends it.
import { call } from "./api.js";
import { Tally } from "./tally.js";
import { open } from "./transport.js";

const again = 1000; // milliseconds until a connection that was refused tries again

export class Follower extends EventTarget {
  state = "connecting"; // or open
  node = "";            // the one that the connection is on, or was
  resets = 0;
  moves = 0;            // how often it came back at another node
  tally = new Tally();
  #setup; #connection = null; #lastId = "";

  constructor(user, kind, setup) {
    super();
    this.user = user;
    this.name = user[0].toUpperCase() + user.slice(1);
    this.kind = kind;
    this.#setup = setup;
  }

  async connect() {
    try {
      const { token } = await call("token", { user: this.user });
      this.#open(token);
    } catch {
      setTimeout(() => this.connect(), again);
    }
  }

  // leave drops the connection and asks the balancer for another one.
  leave() {
    this.#connection?.close();
    this.#become("connecting");
    this.connect();
  }

  #open(token) {
    this.#connection = open({
      kind: this.kind,
      url: this.#setup.events,
      token,
      subjects: [],
      lastId: this.#lastId,
      on: {
        connecting: (why) => this.#become("connecting", why),
        open: (info) => this.#opened(info.node),
        cursor: (id) => { this.#lastId = id; },
        event: ({ data }) => this.#arrived(data),
        reset: () => { this.resets++; this.#tell("note", `${this.name} was told that history is gone`); },
        ended: ({ reason }) => {
          this.#become("connecting", reason);
          setTimeout(() => this.connect(), again);
        },
      },
    });
  }

  #opened(node) {
    if (this.node) this.#tell("note", `${this.name} is back, at ${node}`);
    if (this.node && this.node !== node) this.moves++;
    this.node = node;
    this.#become("open");
  }

  #arrived(data) {
    if (data?.n === undefined) return; // sent by hand
    const now = performance.now();
    const fresh = this.tally.arrived(data.via, data.n, now);
    this.#tell("arrived", { via: data.via, n: data.n, at: now, fresh });
  }

  #become(state, why) {
    if (why && this.state === "open") this.#tell("note", `${this.name} left ${this.node}: ${why}`);
    this.state = state;
    this.#tell("state");
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}
