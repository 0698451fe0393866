// Publishes and uses buckets with nats.js, version 2 or 3 as the argument says, as
// driver.go asks on standard input: a line of JSON for each request, and one for
// each answer.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// Modules are looked for in NODE_PATH by require only.
const require = createRequire(import.meta.url);

// What differs between the two versions: where things are, and how the connection
// tells of an error.
const versions = {
  2: () => {
    const { connect, headers } = require("nats");
    return {
      connect,
      headers,
      jetstream: (nc) => nc.jetstream(),
      bucket: (nc, name) => nc.jetstream().views.kv(name),
      buckets: async (nc) => (await nc.jetstreamManager()).streams.listKvs(),
      trouble: (s) => (s.type === "error" ? [s.data, s.permissionContext?.subject].join(" ") : ""),
    };
  },
  3: () => {
    const { connect, headers } = require("@nats-io/transport-node");
    const { jetstream } = require("@nats-io/jetstream");
    const { Kvm } = require("@nats-io/kv");
    return {
      connect,
      headers,
      jetstream,
      bucket: (nc, name) => new Kvm(nc).open(name),
      buckets: async (nc) => new Kvm(nc).list(),
      trouble: (s) => (s.type === "error" ? String(s.error) : ""),
    };
  },
};

const lib = versions[process.argv[2]]();
const nc = await lib.connect({
  servers: process.env.NATS_URL,
  user: process.env.NATS_USER,
  pass: process.env.NATS_PASSWORD,
  inboxPrefix: process.env.INBOX_PREFIX,
  // The default is five seconds, which a busy machine may need.
  timeout: 20000,
});

// A queue has things that come, for one who waits.
class Queue {
  things = [];
  came = () => {};
  push(thing) {
    this.things.push(thing);
    this.came();
  }
  async shift() {
    while (this.things.length === 0) await new Promise((resolve) => (this.came = resolve));
    return this.things.shift();
  }
}

const troubles = new Queue();
(async () => {
  for await (const s of nc.status()) {
    const text = lib.trouble(s);
    if (text) troubles.push(text);
  }
})();

const opened = {};
const bucket = async (name) => (opened[name] ??= await lib.bucket(nc, name));
const entryOf = (e) => ({ key: e.key, value: e.string(), revision: e.revision, op: e.operation });

function headersOf(request) {
  const h = lib.headers();
  for (const [name, value] of Object.entries(request.headers ?? {})) h.set(name, value);
  return h;
}

let watch;
const updates = new Queue();
async function read(watch) {
  for await (const e of watch) updates.push(entryOf(e));
}

const ops = {
  put: async (r, kv) => ({ revision: await kv.put(r.key, r.value) }),
  create: async (r, kv) => ({ revision: await kv.create(r.key, r.value) }),
  update: async (r, kv) => ({ revision: await kv.update(r.key, r.value, r.revision) }),
  get: async (r, kv) => {
    const e = await kv.get(r.key);
    // Of a deleted key there is an entry that says so.
    return { entries: e && e.operation === "PUT" ? [entryOf(e)] : [] };
  },
  delete: async (r, kv) => void (await kv.delete(r.key)),
  purge: async (r, kv) => void (await kv.purge(r.key)),
  keys: async (r, kv) => {
    const keys = [];
    for await (const k of await kv.keys()) keys.push(k);
    return { keys };
  },
  history: async (r, kv) => {
    const entries = [];
    for await (const e of await kv.history({ key: r.key })) entries.push(entryOf(e));
    return { entries };
  },
  watch: async (r, kv) => {
    watch = await kv.watch();
    read(watch);
    const entries = [];
    while (entries.length < r.count) entries.push(await updates.shift());
    return { entries };
  },
  next: async () => ({ entries: [await updates.shift()] }),
  unwatch: async () => void watch.stop(),
  status: async (r, kv) => {
    const s = await kv.status();
    return { bucket: s.bucket, history: s.history, values: s.values };
  },
  buckets: async () => {
    const keys = [];
    for await (const s of await lib.buckets(nc)) keys.push(s.bucket);
    return { keys };
  },
  send: async (r) => {
    nc.publish(r.subject, r.value, { headers: headersOf(r) });
    await nc.flush();
  },
  serve: async (r) => {
    nc.subscribe(r.subject, { queue: "services", callback: (_, m) => m.respond(r.value, { headers: headersOf(r) }) });
    await nc.flush();
  },
  publish: async (r) => {
    const ack = await lib.jetstream(nc).publish(r.subject, r.value, { headers: headersOf(r), msgID: r.id, timeout: 20000 });
    return { stream: ack.stream, seq: ack.seq, duplicate: ack.duplicate };
  },
  trouble: async () => ({ text: await troubles.shift() }),
};

const lines = createInterface({ input: process.stdin });
// Who asks is gone, perhaps while an operation waits.
lines.on("close", () => process.exit());
for await (const line of lines) {
  const request = JSON.parse(line);
  if (request.size) request.value = "x".repeat(request.size);
  let answer;
  try {
    const kv = request.bucket ? await bucket(request.bucket) : null;
    answer = (await ops[request.op](request, kv)) ?? {};
  } catch (err) {
    answer = { error: String(err) };
  }
  console.log(JSON.stringify(answer));
}
