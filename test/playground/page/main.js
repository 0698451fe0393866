import { call, clock, setup as loadSetup } from "./api.js";
import { Inbox } from "./inbox.js";
import { play } from "./story.js";
import { Way } from "./way.js";

const byId = (id) => document.getElementById(id);
const say = (text, failed = false) => {
  byId("caption").textContent = text;
  byId("caption").classList.toggle("failed", failed);
};
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

// segment makes one choice among several.
function segment(name, value, text, checked) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name, value, checked });
  label.append(input, Object.assign(document.createElement("span"), { textContent: text }));
  return label;
}

async function main() {
  const setup = await loadSetup();
  const [ann, bob] = setup.users.map((user) => new Inbox(user, setup.networks[user]));
  const inboxes = [ann, bob];
  byId("desk").prepend(...inboxes.map((i) => i.element));
  byId("code").textContent = await (await fetch("follow.js")).text();
  byId("config").textContent = setup.config;

  // Whom to, and which type.
  byId("to").append(
    ...inboxes.map((i) => segment("to", i.user, i.name, i === ann)),
    segment("to", setup.topic.name, `both (${setup.topic.subject})`, false),
  );
  byId("type").append(...setup.states.map((s) => new Option("order." + s, s, false, s === "shipped")));
  byId("to").onchange = () => { byId("type").disabled = chosen("to") === setup.topic.name; };

  // Send.
  let n = 0;
  const send = async (to, text) => {
    const number = ++n;
    const addressees = inboxes.filter((i) => to === setup.topic.name || i.user === to);
    addressees.forEach((i) => i.expect(number));
    try {
      await call("send", { to, via: chosen("via"), state: byId("type").value, text, n: number, sent: clock() });
    } catch (err) {
      addressees.forEach((i) => i.forget(number));
      throw err;
    }
  };
  const sendSome = async (count) => {
    try {
      for (let i = 0; i < count; i++) await send(chosen("to"), byId("text").value);
      say(count === 1 ? "Sent." : `Sent ${count}.`);
    } catch (err) {
      say(err.message, true);
    }
  };
  byId("composer").onsubmit = (e) => { e.preventDefault(); sendSome(1); };
  byId("send-three").onclick = () => sendSome(3);

  // The story.
  byId("story").onclick = async ({ currentTarget: button }) => {
    button.disabled = true;
    byId("hero").classList.add("playing");
    try {
      await play({ ann, bob, topic: setup.topic.name, send, say });
    } catch (err) {
      say(err.message, true);
    } finally {
      button.disabled = false;
      byId("hero").classList.remove("playing");
    }
  };

  // By hand.
  byId("hand-user").append(...inboxes.map((i) => segment("hand", i.user, i.name, i === ann)));
  const showCommands = () => {
    const { hand } = inboxes.find((i) => i.user === chosen("hand"));
    byId("commands").replaceChildren(...(hand?.commands ?? []).map(commandElement));
  };
  byId("hand-user").onchange = showCommands;
  for (const i of inboxes) i.addEventListener("hand", showCommands);

  const way = new Way(setup.routed, () => ann.hand.token);
  ann.addEventListener("event", ({ detail: frame }) => way.arrived(frame));

  await Promise.all(inboxes.map((i) => i.open()));
}

function commandElement({ title, run }) {
  const item = document.createElement("div");
  const dd = document.createElement("dd");
  const code = Object.assign(document.createElement("code"), { textContent: run, tabIndex: 0 });
  const copy = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy" });
  copy.setAttribute("aria-label", `Copy: ${title}`);
  copy.onclick = async () => {
    try {
      await navigator.clipboard.writeText(run);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      copy.textContent = "Selected";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  };
  dd.append(code, copy);
  item.append(Object.assign(document.createElement("dt"), { textContent: title }), dd);
  return item;
}

main().catch((err) => say(err.message, true));
