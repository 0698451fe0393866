// One user's tab: who is signed in, how the network is, what arrives.
import { call, hand } from "./api.js";
import { follow } from "./follow.js";
import { claims, Log } from "./log.js";
import { more, transportNames } from "./more.js";

export class Inbox extends EventTarget {
  state = { state: "closed" }; // as the client tells it
  received = 0;
  twice = 0;
  resets = 0;
  missed = 0;
  hand = null; // the session, a token and commands to type
  #network; #root; #log;
  #weft = null;
  #token = null;        // the claims of the newest token
  #refreshed = 0;
  #lastId = "";
  #pending = new Set(); // events sent from this page that have not arrived
  #away = null;         // those of them that were sent before we came back
  #seen = new Set();
  #note = null; #resumedAt = 0;

  constructor(user, network) {
    super();
    this.user = user;
    this.name = user[0].toUpperCase() + user.slice(1);
    this.#network = network;
    this.#root = document.getElementById("tab-template").content.firstElementChild.cloneNode(true);
    const root = this.#root;
    root.dataset.user = user;
    root.setAttribute("aria-label", `${this.name}’s tab`);
    this.#find(".avatar").textContent = this.name[0];
    this.#find("h2").textContent = this.name;
    this.#find(".second").setAttribute("aria-label", `A second tab of ${this.name}`);
    this.#log = new Log(this.#find(".events"));
    this.#find(".log").setAttribute("aria-label", `Events of ${this.name}`);
    for (const radio of root.querySelectorAll("input[type=radio]")) {
      const kind = radio.closest(".network") ? "network" : "transport";
      radio.checked = kind === "network" ? radio.value === network.mode : radio.value === "websocket";
      radio.name = `${kind}-${user}`;
      radio.onchange = () => (kind === "network" ? this.#attempt(() => this.network(radio.value)) : this.#switchTransport());
    }
    this.#find(".revoke").onclick = () => this.#attempt(() => this.revoke());
    this.#find(".sign-in").onclick = () => this.#attempt(() => this.signIn());
    setInterval(() => this.#show(), 500); // times that are shown go by
    this.#show();
  }

  get element() { return this.#root; }
  #find(selector) { return this.#root.querySelector(selector); }
  #chosen(kind) { return this.#find(`.${kind} input:checked`).value; }

  // expect announces an event before it is sent; forget takes it back.
  expect(n) { this.#pending.add(n); }
  forget(n) { this.#pending.delete(n); }

  async open() {
    this.hand = await hand(this.user);
    this.dispatchEvent(new Event("hand"));
    this.#follow();
  }

  #follow() {
    const page = {
      token: (t) => this.#took(t),
      event: (e) => this.#arrived(e),
      reset: (r) => { this.resets++; this.#log.line(`reset: ${r.reason}`, "bad"); this.#show(); },
      state: (s) => this.#become(s),
    };
    const best = this.#chosen("transport");
    this.#find(".second").href = `second.html?user=${this.user}&transport=${best}`;
    this.#weft = follow(this.user, page, more(this.#network, best));
  }

  // A cursor is good for every transport: switching is leaving and coming back.
  #switchTransport() {
    this.#log.line(`from now on ${transportNames[this.#chosen("transport")]}, if it can be had`);
    this.#weft.close();
    if (this.state.reason === "closed") this.#follow();
  }

  // network makes it better or worse.
  async network(mode) {
    const next = await call("network", { user: this.user, mode });
    const same = next.mode === this.#network.mode;
    this.#network = next;
    const radio = this.#find(`.network input[value=${mode}]`);
    radio.checked = true;
    this.#root.dataset.network = mode;
    if (!same) this.#log.line(`network: ${radio.closest("label").textContent}`);
  }

  // revoke takes away the session, with all its tokens.
  async revoke() {
    const { session } = this.hand;
    this.#log.line(`revoking session ${session}`);
    await call("revoke", { session });
  }

  // signIn begins a new session, and goes on where the last one stood.
  async signIn() {
    this.hand = await call("signin", { user: this.user });
    this.#refreshed = 0;
    this.#token = null;
    this.dispatchEvent(new Event("hand"));
    this.#log.line(`signed in anew: session ${this.hand.session}`);
    this.#weft.close();
    this.#follow();
  }

  async #attempt(action) {
    try { await action(); } catch (err) { this.#log.line(err.message, "bad"); }
  }

  #took(token) {
    const next = claims(token);
    if (this.#token?.jti === next.jti) {
      this.#refreshed++;
    }
    this.#token = next;
    this.#show();
    return token;
  }

  #become(next) {
    const was = this.state;
    this.state = next;
    const gone = was.state === "open" && next.state !== "open";
    if (gone && next.reason !== "closed") this.#log.line(next.state === "closed" ? `over: ${next.reason}` : next.reason ? `not connected: ${next.reason}` : "connecting anew", "bad");
    else if (next.state === "closed" && next.reason !== "closed") this.#log.line(`over: ${next.reason}`, "bad");
    if (gone) this.#away = new Set(); // from now on what is sent is missed
    if (next.state === "open" && was.state === "open" && was.transport !== next.transport) this.#log.line(`now by ${transportNames[next.transport]}`);
    if (next.state === "open" && was.state !== "open" && this.#away) {
      this.missed = 0;
      this.#away = new Set(this.#pending);
      this.#resumedAt = performance.now();
      this.#note = this.#log.line("", "back");
      this.#countMissed();
    }
    this.#show();
    this.dispatchEvent(new Event("state"));
  }

  #countMissed() {
    const all = this.missed + this.#away.size;
    const text = this.missed === all ? `${this.missed}` : `${this.missed} of ${all}`;
    this.#note.firstChild.textContent = `back by ${transportNames[this.state.transport]} · missed while away: ${text}`;
  }

  #arrived(frame) {
    const data = frame.data ?? {};
    this.received++;
    this.#lastId = frame.id;
    if (this.#seen.has(frame.event)) this.twice++;
    this.#seen.add(frame.event);

    this.#pending.delete(data.n);
    // What this page sent we know; for what came by hand, that it follows at
    // once on our return tells.
    const byHand = data.n === undefined && this.#note !== null && performance.now() - this.#resumedAt < 300;
    const missed = this.#note !== null && this.#away.delete(data.n) || byHand;
    this.#log.event(frame, transportNames[this.state.transport], missed);
    if (missed) {
      this.missed++;
      this.#log.raise(this.#note); // it stands above what it announces
      this.#countMissed();
    }
    this.#show();
    this.dispatchEvent(new CustomEvent("event", { detail: frame }));
  }

  #show() {
    const put = (selector, text) => {
      const e = this.#find(selector);
      if (e.textContent === text) return;
      e.textContent = text;
      e.title = text;
    };
    const { state, reason, transport, shared } = this.state;
    this.#find(".state").dataset.state = state;
    put(".state b", state + (state === "open" ? "" : reason ? `: ${reason}` : ""));
    put(".next", state === "waiting" ? `next try in ${until(this.state.retryAt)}` : "");
    for (const radio of this.#root.querySelectorAll(".transport input")) {
      radio.closest("label").toggleAttribute("data-used", state === "open" && radio.value === transport);
    }
    put(".used", state === "open" ? transportNames[transport] : "none");
    put(".leads", state !== "open" ? "–" : shared ? "another tab’s" : "this tab’s");
    put(".last-id code", this.#lastId || "none yet");
    put(".received", String(this.received));
    put(".twice", String(this.twice));
    this.#find(".twice").classList.toggle("wrong", this.twice > 0);
    put(".resets", String(this.resets));
    put(".session code", this.hand?.session ?? "none yet");
    put(".life", this.#life());
    this.dispatchEvent(new Event("change"));
  }

  #life() {
    if (state(this) === "closed") return "not refreshed any more";
    if (!this.#token) return "the tab that leads refreshes it";
    return `ends in ${until(1000 * this.#token.exp)}, refreshed ${this.#refreshed} times`;
  }
}

const state = (inbox) => inbox.state.state;
const until = (at) => `${Math.max(0, Math.ceil((at - Date.now()) / 1000))} s`;
