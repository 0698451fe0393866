// What comes from outside is what it likes to be: nothing of it may end a client, or pass for
// something else.
import { expect, test, vi } from "vitest"
import { asked, client, event, pass, poll, Request, Socket, socket } from "./stage"

/** Numbers that look like chance, the same each time (mulberry32). */
const chance = (seed: number) => () => {
  let t = (seed += 0x6d2b79f5)
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const odd = [null, true, 0, -1, 1e308, "", "weft.open", "__proto__", "\u2028\r\n\n", "ü😀\ufeff", [], [null], {}, { constructor: { prototype: 1 } }, JSON.parse('{"__proto__":{"type":"weft.close"}}'), { subjects: 1 }, { connection: "k" }]
const anything = (r: () => number, depth = 0): any => {
  if (depth > 2 || r() < 0.5) return odd[~~(r() * odd.length)]
  if (r() < 0.3) return [0, 1, 2].map(() => anything(r, depth + 1))
  return Object.fromEntries(["id", "event", "subject", "type", "data", "ref", "error", "subjects", "events", "last_event_id"].filter(() => r() < 0.4).map(k => [k, anything(r, depth + 1)]))
}
const frames = ["weft.open", "weft.reset", "weft.keepalive", "weft.close", "weft.presence", "weft.expiring", "weft.unsubscribed", "weft.of.later", "order.paid"]

test("frames of Server-Sent Events are read whatever pieces their bytes come in", async () => {
  const r = chance(17)
  for (let round = 0; round < 40; round++) {
    const c = await client({ transports: ["sse"] }), request = asked()
    const end = () => ["\n", "\r\n"][~~(r() * 2)]
    const all = [1, 2, 3, 4].map(n => event(n, { data: anything(r), type: "t" + n }))
    const lines = [{ id: "c0", type: "weft.open", data: { connection: "k", keepalive: 10 } }, ...all].map(f =>
      (r() < 0.3 ? ":" + end() : "") + (r() < 0.3 ? "later: " + end() : "") + "id: " + f.id + end() + "data:" + (r() < 0.5 ? " " : "") + JSON.stringify(f) + end() + end())
    const bytes = new TextEncoder().encode((r() < 0.5 ? "\ufeff" : "") + lines.join(""))
    request.begin()
    for (let i = 0; i < bytes.length; ) {
      const n = 1 + ~~(r() * (r() < 0.5 ? 3 : 200))
      ;(request as any).stream.enqueue(bytes.slice(i, (i += n)))
    }
    await pass()
    expect(JSON.stringify(c.events)).toBe(JSON.stringify(all))
    c.weft.close()
  }
})

test("whatever a server says that is none of Weft, the client comes back to one that is", async () => {
  const r = chance(42)
  const of = () => { // what it says
    const f = { ...anything(r), type: frames[~~(r() * frames.length)] }
    if (f.type === "weft.close") return { type: f.type, data: { reason: "drain", reconnect: r() < 0.8, detail: anything(r) } }
    return r() < 0.3 ? anything(r) : { ...f, data: anything(r) }
  }
  for (let round = 0; round < 60; round++) {
    const kind = (["websocket", "sse", "poll"] as const)[round % 3], served = new Set<unknown>()
    const c = await client({ transports: [kind], subjects: ["topic.a"] })
    const serve = async (isWeft: boolean, ms = 250) => {
      for (const link of kind === "websocket" ? Socket.all : Request.all) {
        const isNew = !served.has(link)
        served.add(link)
        if (link instanceof Socket) {
          if (link.closed) continue
          if (isNew && (isWeft || r() < 0.5)) link.open()
          if (isWeft && isNew) link.say(event(9))
          else if (!isWeft) link.say(of())
        } else if (link.aborted) continue
        else if (kind === "poll") link.answer(isWeft ? poll([event(9)]) : r() < 0.5 ? of() : poll([], of() ?? {}))
        else {
          if (isNew && (isWeft || r() < 0.5)) link.open()
          else if (isNew) link.begin()
          if (isWeft && isNew) link.say(event(9))
          else if (!isWeft) link.text(`data: ${JSON.stringify(of())}\n\n`)
        }
      }
      await vi.advanceTimersByTimeAsync(ms)
    }
    for (let i = 0; i < 8; i++) await serve(false)
    if (round % 2) { // else its silence is noticed
      for (const s of Socket.all) s.closed || s.cut()
      for (const q of Request.all) q.aborted || q.fail(new TypeError("cut"))
    }
    for (let i = 0; i < 60 && c.now().state !== "closed" && !c.ids().includes("e9"); i++) await serve(true, 2000)
    if (c.now().state !== "closed") expect([round, kind, c.now(), c.ids().includes("e9")]).toEqual([round, kind, c.now(), true])
    c.weft.close()
    Socket.all = []
    Request.all = []
  }
})

test("a message that is no frame ends a connection, which comes back from before it", async () => {
  const c = await client()
  socket().open()
  socket().say(event(1))
  socket().onmessage?.({ data: '{"id":"c2","event":"e2' })
  socket().say(event(3)) // too late
  expect(c.ids()).toEqual(["e1"])
  await pass(500)
  expect(socket().url.searchParams.get("last_event_id")).toBe("c1")
})

test("JSON of somebody between is no poll of Weft's, and not shown as open", async () => {
  for (const said of [{}, null, [], "sign in", { error: "sign in" }, { events: null }, { events: 7 }]) {
    const c = await client({ transports: ["poll"] })
    asked().answer(JSON.stringify(said))
    await pass(100)
    expect(c.names()).toContain("waiting")
    expect(c.names()).not.toContain("open")
    c.weft.close()
  }
})

test("what cannot be written as JSON is not published, and it is said at once", async () => {
  const c = await client()
  for (const data of [1n, (() => { const a: any = {}; return (a.a = a) })()]) await expect(c.weft.publish("topic.a", data)).rejects.toThrow(TypeError)
  expect(Request.all.filter(r => r.method === "POST")).toEqual([])
})

test("a token may say of itself what it likes", async () => {
  const r = chance(7)
  for (const said of [null, 1, "text", [], { exp: "soon" }, { exp: 1e308 }, { exp: -1e308 }, { exp: null }, { sub: { a: 1 } }, ...Array.from({ length: 20 }, () => anything(r))]) {
    const c = await client({ token: async () => "h." + btoa(encodeURIComponent(JSON.stringify(said))) + ".s", persist: "local" })
    const plain = await client({ token: async () => "h." + btoa(JSON.stringify(said).replace(/[^ -~]/g, "?")) + ".s", persist: "local" })
    for (const s of Socket.all.slice(-2)) s.open()
    expect([said, c.now().state, plain.now().state]).toEqual([said, "open", "open"])
    c.weft.close()
    plain.weft.close()
  }
})

test("who is told to wait for what is no time waits as for nothing; for ever, for a day", async () => {
  for (const after of ["Wed, 21 Oct 2026 07:28:00 GMT", "soon", "NaN", "-5", "1e400", "1e30"]) {
    const c = await client({ transports: ["sse"] })
    asked().refuse(503, "not_ready", { "Retry-After": after })
    await pass(1)
    const ms = c.now().retryAt! - Date.now()
    expect([after, c.now().state, ms > 0, ms <= (after.startsWith("1e") ? 86_400_000 : 1000)]).toEqual([after, "waiting", true, true])
    c.weft.close()
  }
  for (const after of ["NaN", "soon", "-1", "1e400"]) {
    const c = await client({ transports: ["sse"] })
    asked().open()
    asked().text(`retry: ${after}\ndata: {"type":"weft.close","data":{"reason":"drain","reconnect":true}}\n\n`)
    await pass(1)
    const ms = c.now().retryAt! - Date.now()
    expect([after, c.now().reason, ms > 0, ms <= (after === "1e400" ? 86_400_000 : 1000)]).toEqual([after, "drain", true, true])
    c.weft.close()
  }
})
