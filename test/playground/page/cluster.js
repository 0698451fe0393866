import { call, cluster as look, setup as loadSetup } from "./api.js";
import { Follower } from "./follower.js";
import { Seat } from "./seat.js";
import { Timeline } from "./timeline.js";

const byId = (id) => document.getElementById(id);
const lookEvery = 400; // milliseconds
const maxNotes = 60;
// The users' transports. A browser has six connections of HTTP/1.1 to a place, for all its
// tabs, and SSE and polls take one each.
const kinds = ["websocket", "sse", "poll", "websocket"];
const kindNames = { websocket: "WebSocket", sse: "SSE", poll: "long poll" };
const laneNames = { kafka: "Kafka", http: "HTTP", nats: "NATS" };

const say = (text, failed = false) => {
  byId("caption").textContent = text;
  byId("caption").classList.toggle("failed", failed);
};

function note(text) {
  const li = document.createElement("li");
  li.append(Object.assign(document.createElement("time"), { textContent: new Date().toLocaleTimeString() }), ` ${text}`);
  const list = byId("notes");
  list.prepend(li);
  while (list.childElementCount > maxNotes) list.lastElementChild.remove();
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

// A passenger is what the page shows of a follower: a chip that sits at its node,
// and a row of numbers.
function passenger(follower) {
  const chip = Object.assign(document.createElement("li"), { className: "rider", textContent: follower.name });
  chip.dataset.user = follower.user;
  const row = byId("users").insertRow();
  row.dataset.user = follower.user;
  const cells = {};
  for (const name of ["name", "node", "received", "lost", "doubled", "reordered", "resets", "moves", "silence", "leave"]) {
    cells[name] = row.insertCell();
    cells[name].dataset.cell = name;
  }
  cells.name.textContent = `${follower.name} · ${kindNames[follower.kind]}`;
  const leave = Object.assign(document.createElement("button"), { textContent: "Reconnect" });
  leave.setAttribute("aria-label", `Reconnect ${follower.name}`);
  leave.onclick = () => follower.leave().catch((err) => say(err.message, true));
  cells.leave.append(leave);
  return { follower, chip, cells };
}

function seat(passenger, seats) {
  const { follower, chip } = passenger;
  chip.dataset.state = follower.state;
  const place = follower.state === "open" ? seats.get(follower.node)?.riders : byId("nowhere");
  if (place && chip.parentElement !== place) place.append(chip);
}

// count shows the numbers of each user, and those of all.
function count(passengers, flow) {
  const now = performance.now();
  const all = { sent: 0, received: 0, lost: 0, doubled: 0, reordered: 0, resets: 0, longest: 0 };
  for (const { follower, cells } of passengers) {
    const { tally } = follower;
    const idle = !flow.on && flow.lanes.every((l) => l.waiting === 0);
    const accepted = Object.fromEntries(flow.lanes.map((l) => [l.via, l.accepted[follower.user]]));
    const sent = tally.sent(accepted);
    if (idle && sent === tally.received) tally.rest();
    all.sent += sent;
    for (const name of ["received", "lost", "doubled", "reordered"]) {
      all[name] += tally[name];
      put(cells[name], String(tally[name]));
    }
    all.resets += follower.resets;
    all.longest = Math.max(all.longest, tally.longest, tally.silence(now));
    put(cells.resets, String(follower.resets));
    put(cells.moves, String(follower.moves));
    put(cells.node, follower.state === "open" ? follower.node : `connecting (was ${follower.node || "nowhere"})`);
    put(cells.silence, seconds(Math.max(tally.longest, tally.silence(now))));
  }
  const counts = { ...all, way: all.sent - all.received - all.lost, longest: seconds(all.longest) };
  for (const [name, value] of Object.entries(counts)) {
    const e = document.querySelector(`[data-count=${name}]`);
    if (e) put(e, String(value));
  }
  for (const name of ["lost", "doubled", "reordered", "resets"]) {
    document.querySelector(`[data-count=${name}]`).classList.toggle("wrong", all[name] > 0);
  }
}

// changes tells what happened to the nodes between two looks.
function changes(before, after, timeline) {
  for (const node of after) {
    const was = before.find((n) => n.name === node.name);
    if (!was) continue;
    if (was.state !== node.state) {
      note(`${node.name} is ${node.state}${node.how ? `: ${node.how}` : ""}`);
      timeline.mark(`${node.name} ${node.state}`);
    } else if (node.state === "up" && node.answers && was.answers && was.ready !== node.ready) {
      note(node.ready ? `${node.name} is ready` : `${node.name} is not ready: ${node.reason}`);
      if (node.ready) timeline.mark(`${node.name} ready`);
    }
    if (node.leader && !was.leader) {
      note(`${node.name} leads`);
      timeline.mark(`${node.name} leads`);
    }
  }
}

function showFlow(flow) {
  put(byId("flow"), flow.on ? "Hold the events" : "Let events flow");
  byId("flow").dataset.on = flow.on;
  for (const lane of flow.lanes) {
    const e = document.querySelector(`[data-lane=${lane.via}]`);
    const sum = Object.values(lane.accepted).reduce((a, n) => a + n, 0);
    put(e, lane.waiting > 1000 ? `${laneNames[lane.via]} ${sum}, the next one waits ${seconds(lane.waiting)}` : `${laneNames[lane.via]} ${sum}`);
    e.classList.toggle("waits", lane.waiting > 1000);
  }
}

async function main() {
  const setup = await loadSetup();
  byId("config").textContent = setup.config;
  let { nodes, flow } = await look();
  const seats = new Map(nodes.map((n) => [n.name, new Seat(n.name, say)]));
  byId("nodes").append(...[...seats.values()].map((s) => s.element));

  const followers = setup.users.map((user, i) => new Follower(user, kinds[i % kinds.length], setup.routed));
  const timeline = new Timeline(byId("timeline"), followers.map((f) => f.name));
  const passengers = followers.map(passenger);
  passengers.forEach((p, row) => {
    p.follower.addEventListener("arrived", ({ detail }) => timeline.dot(row, detail));
    p.follower.addEventListener("state", () => seat(p, seats));
    p.follower.addEventListener("note", ({ detail }) => note(detail));
    seat(p, seats);
    p.follower.connect();
  });

  byId("flow").onclick = async () => {
    try { await call("flow", { on: !flow.on }); } catch (err) { say(err.message, true); }
  };
  byId("kill-leader").onclick = () => {
    const leader = nodes.find((n) => n.leader);
    if (!leader) return say("Nobody leads at the moment.");
    say(`${leader.name} led, and was killed. The others elect a new leader, which takes up to ten seconds; watch what waits arrive.`);
    seats.get(leader.name).do("kill");
  };

  for (;;) {
    try {
      const now = await look();
      changes(nodes, now.nodes, timeline);
      ({ nodes, flow } = now);
      for (const node of nodes) seats.get(node.name).show(node);
      byId("kill-leader").disabled = !nodes.some((n) => n.leader);
      showFlow(flow);
      count(passengers, flow);
    } catch (err) {
      say(err.message, true);
    }
    await new Promise((done) => setTimeout(done, lookEvery));
  }
}

main().catch((err) => say(err.message, true));
