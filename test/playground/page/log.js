// The list of what came to a user, the newest first, with remarks between the events.
import { clock } from "./api.js";

const wayNames = { kafka: "Kafka", nats: "NATS", http: "HTTP" };
const maxShown = 200;

// claims are those of a token. Nobody checks its signature here, nor has to.
export const claims = (token) => JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));

export class Log {
  #list;

  constructor(list) { this.#list = list; }

  // event shows a frame, by which transport it came, and whether it was missed while away.
  event(frame, transport, missed) {
    const data = frame.data ?? {};
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
    put(line, "span", "road", `${wayNames[data.via] ?? "by hand"} → ${transport}${delay(data.sent)}`);
    const text = data.text ?? (typeof frame.data === "string" ? frame.data : frame.data_base64 ?? JSON.stringify(frame.data));
    put(li, "div", "text", text ?? "");
    const meta = put(li, "div", "meta", `${frame.subject} · id `);
    put(meta, "code", "", frame.id).title = frame.id;
    this.#put(li);
  }

  // line puts a remark between the events.
  line(text, kind = "") {
    const li = document.createElement("li");
    li.className = "note " + kind;
    li.append(Object.assign(document.createElement("span"), { textContent: text }));
    return this.#put(li);
  }

  // raise puts a remark above all again.
  raise(li) { if (li) this.#list.prepend(li); }

  #put(li) {
    this.#list.prepend(li);
    while (this.#list.childElementCount > maxShown) this.#list.lastElementChild.remove();
    return li;
  }
}

// delay spells how long an event took from the click; sent is this page's own
// clock, which came along in the payload.
function delay(sent) {
  if (sent === undefined) return "";
  const ms = clock() - sent;
  return ms < 1000 ? ` · ${ms.toFixed(ms < 10 ? 1 : 0)} ms` : ` · ${(ms / 1000).toFixed(1)} s`;
}
