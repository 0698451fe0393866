// One more tab of a user, which shares the connection of the first: the same few lines
// (follow.js), and nothing about who has the connection.
import { setup } from "./api.js";
import { follow } from "./follow.js";
import { Log } from "./log.js";
import { more, transportNames } from "./more.js";

const asked = new URLSearchParams(location.search);
const user = asked.get("user");
const { networks } = await setup();
const find = (selector) => document.querySelector(selector);
const log = new Log(find(".events"));
let transport = "";

find("#tab").dataset.user = user;
find("h1").textContent = `${user[0].toUpperCase()}${user.slice(1)}, in another tab`;

follow(user, {
  token: (t) => t,
  event: (e) => log.event(e, transportNames[transport], false),
  reset: (r) => log.line(`reset: ${r.reason}`, "bad"),
  state: (s) => {
    transport = s.transport;
    find(".state").dataset.state = s.state;
    find(".state b").textContent = s.state + (s.reason && s.state !== "open" ? `: ${s.reason}` : "");
    find(".leads").textContent = s.state !== "open" ? "" : s.shared
      ? "Another tab has the connection, and hands events on to this one."
      : "This tab has the connection, for all tabs of the user.";
  },
}, more(networks[user], asked.get("transport") ?? "websocket"));
