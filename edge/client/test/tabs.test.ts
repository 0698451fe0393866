// How tabs share a connection: with locks and a channel between them that do what a test says.
import { beforeEach, expect, test, vi } from "vitest"
import type { Options } from "../src/types"
import { asked, client, event, jwt, page, pass, poll, Request, Socket, socket } from "./stage"

class Channel {
  static all = new Set<Channel>()
  static lose = (_to: Channel, _m: any) => false
  onmessage?: (e: { data: any }) => void
  constructor(public name: string) { Channel.all.add(this) }
  postMessage(m: any) {
    const data = JSON.stringify(m)
    for (const c of Channel.all) if (c !== this && c.name === this.name && !Channel.lose(c, m)) queueMicrotask(() => Channel.all.has(c) && c.onmessage?.({ data: JSON.parse(data) }))
  }
  close() { Channel.all.delete(this) }
}

// Locks as https://www.w3.org/TR/web-locks/ has them: exclusive ones, in turn, which may be stolen.
function locks() {
  interface Ask { run: () => Promise<void>; fail(e: unknown): void; done(): void }
  const held = new Map<string, Ask>(), queues = new Map<string, Ask[]>()
  const gone = () => new DOMException("gone", "AbortError")
  const next = (name: string) => {
    const ask = queues.get(name)?.shift()
    if (!ask) return held.delete(name)
    held.set(name, ask)
    ask.run().then(() => {
      ask.done()
      if (held.get(name) === ask) next(name)
    })
  }
  return {
    request: (name: string, { signal, steal }: { signal?: AbortSignal; steal?: boolean }, run: () => Promise<void>) =>
      new Promise<void>((done, fail) => {
        const ask = { run, fail, done }, queue = queues.get(name) ?? []
        queues.set(name, queue)
        if (signal?.aborted) return fail(gone())
        signal?.addEventListener("abort", () => {
          const i = queue.indexOf(ask)
          if (i >= 0) queue.splice(i, 1), fail(gone())
        })
        if (!steal) queue.push(ask)
        else {
          queue.unshift(ask)
          held.get(name)?.fail(gone())
          held.delete(name)
        }
        if (!held.has(name)) queueMicrotask(() => held.has(name) || next(name))
      }),
  }
}

beforeEach(() => {
  let n = 0
  vi.spyOn(Math, "random").mockImplementation(() => (n = (n + 0.37) % 1))
  Channel.all = new Set()
  Channel.lose = () => false
  vi.stubGlobal("BroadcastChannel", Channel)
  vi.stubGlobal("navigator", { onLine: true, locks: locks() })
})

const answered = new Set<Request>()

// known answers who asks what a token grants.
async function known() {
  await pass()
  for (const r of Request.all) {
    if (answered.has(r) || !r.url.pathname.endsWith("/me")) continue
    answered.add(r)
    const user = JSON.parse(atob(r.headers.Authorization.split(".")[1])).sub
    r.answer({ user, subscribe: ["user." + user], allow: ["topic.*"], publish: [] })
  }
  await pass()
}
const polls = () => Request.all.filter(r => r.isPoll && !answered.has(r))

async function tab(options: Options = {}) {
  const c = await client({ shared: true, token: jwt({ sub: "ann", jti: String(Math.random()) }), subjects: ["topic.a"], ...options })
  await known()
  return c
}
/** The last tab does not hear of an event. */
function loses(n: number) {
  const its = [...Channel.all].at(-1)
  Channel.lose = (to, m) => to === its && m.frame?.event === "e" + n
}

/** A tab that leads, and others. */
async function tabs(n: number, options: Options = {}) {
  const all = [await tab(options)]
  socket().open({ user: "ann" })
  await pass()
  while (all.length < n) all.push(await tab(options))
  return all
}

test("tabs of a user have one connection, and each gets each event once, in order", async () => {
  const all = await tabs(12)
  socket().say(event(1), event(2), event(2), event(3))
  await pass()
  for (const c of all) expect(c.ids()).toEqual(["e1", "e2", "e3"])
  expect(Socket.all.length).toBe(1)
  expect(polls()).toEqual([])
  expect(all[0].now()).toMatchObject({ state: "open", transport: "websocket", shared: false })
  expect(all[1].now()).toMatchObject({ state: "open", transport: "websocket", shared: true })
})

test("each tab gets what it wants, and what the token brings", async () => {
  const [a] = await tabs(1)
  const adding = tab({ subjects: ["topic.b.*"] })
  await pass()
  const b = (await adding), sent = socket().sent.at(-1)
  expect(sent.set).toEqual(["topic.a", "topic.b.*"])
  socket().answer()
  await pass()
  socket().say(event(1), event(2, { subject: "topic.b.1" }), event(3, { subject: "user.ann" }), event(4, { subject: "topic.b.1.2" }), event(5, { subject: "user.bob" }))
  await pass()
  expect(a.ids()).toEqual(["e1", "e3"])
  expect(b.ids()).toEqual(["e2", "e3"])
})

test("a tab that leads and closes hands over: the next goes on from its place, and nobody asks for more", async () => {
  const all = await tabs(3)
  socket().say(event(1), event(2))
  await pass()
  all[0].weft.close()
  expect(all[0].now()).toMatchObject({ state: "closed", reason: "closed" })
  await pass(200)
  expect(Socket.all.length).toBe(2)
  expect(Socket.all[0].closed).toBe(true)
  expect(socket().url.searchParams.get("last_event_id")).toBe("c2")
  expect(all[1].now().state).toBe("connecting")
  socket().open({ user: "ann" })
  socket().say(event(2), event(3))
  await pass()
  for (const c of all.slice(1)) expect(c.ids()).toEqual(["e1", "e2", "e3"])
  expect(all[0].ids()).toEqual(["e1", "e2"])
  expect(polls()).toEqual([])
  expect(all.slice(1).map(c => c.now().shared)).toEqual([false, true])
})

test("a tab that has missed something asks the server for it, and what comes meanwhile waits", async () => {
  const [a, b] = await tabs(2)
  socket().say(event(1))
  await pass()
  loses(2)
  socket().say(event(2), event(3))
  await pass()
  expect(b.ids()).toEqual(["e1"])
  expect(polls().length).toBe(1)
  expect(asked().url.searchParams.get("last_event_id")).toBe("c1")
  socket().say(event(4), event(5))
  await pass()
  asked().answer(poll([event(2), event(3), event(4)]))
  await pass(5000)
  socket().say(event(6))
  await pass()
  expect(b.ids()).toEqual(["e1", "e2", "e3", "e4"]) // the hub is too young to know all that is on its way
  expect(asked().url.searchParams.get("wait")).toBe("0s")
  asked().answer(poll([], { last_event_id: "c4" }))
  await pass()
  expect(b.ids()).toEqual(["e1", "e2", "e3", "e4", "e5", "e6"])
  expect(a.ids()).toEqual(b.ids())
  expect(asked().init.signal!.aborted).toBe(true)
})

test("what the hub has said before, and the node that is asked has not yet, is not lost", async () => {
  const [a, b] = await tabs(2)
  await pass(6000)
  socket().say(event(1))
  await pass()
  loses(2)
  socket().say(event(2), event(3))
  await pass()
  asked().answer(poll([], { last_event_id: "c1" }))
  await pass()
  expect(b.ids()).toEqual(["e1", "e2", "e3"])
  expect(asked().init.signal!.aborted).toBe(true)
  socket().say(event(4))
  await pass()
  expect(b.ids()).toEqual(["e1", "e2", "e3", "e4"])
  expect(a.ids()).toEqual(b.ids())
})

test("a tab asks on when the hub has said more of late than it keeps, or an answer may not be all", async () => {
  const [, b] = await tabs(2)
  await pass(6000)
  socket().say(event(1))
  await pass()
  loses(2)
  const large = { data: "x".repeat(120_000) }
  socket().say(event(2, large), event(3, large))
  await pass()
  asked().answer(poll([], { last_event_id: "c1" }))
  await pass()
  expect(b.ids()).toEqual(["e1"])
  asked().answer(poll([event(2, large)]))
  await pass(5000)
  // It is large as it was sent, though spaces are all of it.
  asked().answer(JSON.stringify(poll([event(3)])).replace('"data":', '"data":' + " ".repeat(120_000)))
  await pass()
  socket().say(event(4))
  await pass()
  expect(b.ids()).toEqual(["e1", "e2", "e3"])
  asked().answer(poll([], { last_event_id: "c3" }))
  await pass()
  expect(b.ids()).toEqual(["e1", "e2", "e3", "e4"])
})

test("what a hub keeps from before a tab began, or followed a subject, is not brought to it later", async () => {
  const [a] = await tabs(1)
  await pass(6000)
  socket().say(event(1), event(2, { subject: "topic.b" }))
  await pass()
  const b = await tab()
  socket().say(event(3), event(4, { subject: "topic.b" }))
  await pass()
  a.weft.subscribe("topic.b")
  b.weft.subscribe("topic.b")
  await pass()
  socket().answer()
  await pass()
  loses(5)
  socket().say(event(5), event(6, { subject: "topic.b" }))
  await pass()
  asked().answer(poll([event(5)]))
  await pass()
  expect(b.ids()).toEqual(["e3", "e5", "e6"])
  expect(a.ids()).toEqual(["e1", "e3", "e5", "e6"])
})

test("a tab that begins with what is stored gets none of what a hub keeps from before that", async () => {
  await tabs(1)
  await pass(6000)
  socket().say(event(1), event(2))
  await pass()
  const b = await tab({ since: "1s" })
  asked().answer(poll([event(2)]))
  await pass()
  socket().say(event(3))
  for (let i = 0; i < 8; i++) {
    await pass(1000)
    for (const r of polls()) r.answer(poll([], { last_event_id: "c2" }))
  }
  await pass()
  expect(b.ids()).toEqual(["e2", "e3"])
})

test("what more events than are remembered bring twice while a tab catches up comes once", async () => {
  const [, b] = await tabs(2)
  socket().say(event(1))
  await pass()
  loses(2)
  socket().say(event(2), event(3))
  await pass()
  const many = Array.from({ length: 2500 }, (_, i) => event(4 + i))
  for (let i = 0; i < many.length; i += 100) {
    const some = many.slice(i, i + 100)
    socket().say(...some)
    await pass()
    asked().answer(poll(i ? some : [event(2), event(3), ...some]))
    await pass()
  }
  await pass(5000)
  asked().answer(poll([], { last_event_id: "c2503" }))
  await pass()
  expect(b.ids().length).toBe(2503)
  socket().say(event(2504))
  await pass()
  expect(b.ids().at(-1)).toBe("e2504")
})

test("what a hub brings long after a tab has asked for it itself comes once", async () => {
  const [a, b] = await tabs(2)
  socket().say(event(1))
  await pass()
  loses(2)
  const many = Array.from({ length: 2500 }, (_, i) => event(2 + i))
  socket().say(...many.slice(0, 2))
  await pass()
  for (let i = 0; i < many.length; i += 100) {
    asked().answer(poll(many.slice(i, i + 100)))
    await pass()
  }
  await pass(5000)
  asked().answer(poll([], { last_event_id: "c2501" }))
  await pass()
  expect(b.ids().length).toBe(2501)
  socket().say(...many.slice(2), event(2502)) // its connection had stood still
  await pass()
  expect(b.ids().length).toBe(2502)
  expect(a.ids()).toEqual(b.ids())
})

test("a hub that has woken up and answers late is not followed", async () => {
  const [, b] = await tabs(2)
  const woken = new Channel([...Channel.all][0].name)
  let question: any
  woken.onmessage = ({ data }) => { if (data.by) question = data }
  const subscribed = b.weft.subscribe("topic.b")
  await pass()
  socket().answer()
  await subscribed
  woken.postMessage({ hub: "old", n: 7, to: question.by, ask: question.ask, cursor: "c0", is: { state: "open" } })
  await pass()
  socket().say(event(1))
  await pass()
  for (const r of polls()) if (!r.aborted) r.answer(poll([event(1)]))
  await pass(5000)
  for (const r of polls()) if (!r.aborted) r.answer(poll([], { last_event_id: "c1" }))
  socket().say(event(2))
  await pass()
  expect(b.ids()).toEqual(["e1", "e2"])
})

test("a tab whose subjects are too many together with the others' follows by its own connection", async () => {
  const [a, b] = await tabs(2)
  socket().say(event(1))
  await pass()
  const subscribed = b.weft.subscribe("topic.b")
  await pass()
  socket().answer({ code: "bad_request", detail: "more than 256 subjects" })
  await pass()
  expect(Socket.all.length).toBe(2)
  expect(socket().url.searchParams.get("last_event_id")).toBe("c1")
  socket().open({ user: "ann", id: "c1" })
  await pass()
  expect(socket().sent.at(-1).set).toEqual(["topic.a", "topic.b"])
  socket().answer()
  await subscribed
  socket().say(event(2, { subject: "topic.b" }))
  Socket.all[0].say(event(3))
  await pass()
  expect(b.ids()).toEqual(["e1", "e2"])
  expect(a.ids()).toEqual(["e1", "e3"])
})

test("a tab whose session is revoked is told so while another has the connection", async () => {
  const [a, b] = await tabs(2)
  const halfAMinute = async () => {
    for (let i = 0; i < 3; i++) {
      socket().say({ type: "weft.keepalive" })
      await pass(10_000)
    }
  }
  await halfAMinute()
  const last = asked()
  expect(last.url.pathname).toBe("/_weft/v1/me")
  last.refuse(502)
  await halfAMinute()
  expect(asked()).not.toBe(last)
  expect(b.now().state).toBe("open")
  asked().refuse(403, "token_revoked")
  await pass()
  expect(b.now()).toMatchObject({ state: "closed", reason: "revoked" })
  expect(a.now().state).toBe("open")
})

test("tabs whose subjects a back end is asked about share within a session only", async () => {
  const some = { user: "ann", subscribe: ["user.ann"], allow: [], check: true }
  const all = []
  for (const session of ["s1", "s2", "s1"]) {
    all.push(await client({ shared: true, token: jwt({ sub: "ann" }) }))
    asked().answer({ ...some, session })
    await pass()
    if (Socket.all.length > new Set(all).size - 1) socket().open({ user: "ann" })
    await pass()
  }
  expect(Socket.all.length).toBe(2)
})

test("a reset reaches each tab once, if it is of its subjects", async () => {
  const [a] = await tabs(1)
  const b = await tab({ subjects: ["topic.b"] })
  socket().answer()
  await pass()
  socket().say({ id: "c7", type: "weft.reset", data: { subjects: ["topic.a", "user.ann"], reason: "trimmed" } })
  socket().say({ id: "c7", type: "weft.reset", data: { subjects: ["topic.a"], reason: "trimmed" } })
  await pass()
  expect(a.resets.length).toBe(2)
  expect(b.resets).toEqual([{ subjects: ["user.ann"], reason: "trimmed" }])
})

test("nothing older follows a reset that a tab is told while it catches up", async () => {
  const [, b] = await tabs(2)
  await pass(6000)
  socket().say(event(1))
  await pass()
  loses(2)
  socket().say(event(2), event(3), event(4, { subject: "user.ann" }))
  await pass()
  asked().answer(poll([], { last_event_id: "c3", resets: [{ subjects: ["topic.a"], reason: "trimmed" }] }))
  await pass()
  socket().say(event(5))
  await pass()
  expect(b.resets.length).toBe(1)
  expect(b.ids()).toEqual(["e1", "e4", "e5"])
  socket().say({ id: "c6", type: "weft.reset", data: { subjects: ["topic.a"], reason: "recreated" } }, event(6))
  await pass()
  loses(7)
  socket().say(event(7), event(8))
  await pass()
  asked().answer(poll([], { last_event_id: "c6" }))
  await pass(100)
  expect(b.ids()).toEqual(["e1", "e4", "e5", "e6"]) // the hub does not tell what was before
})

test("what is refused to one tab changes nothing for the others", async () => {
  const [a, b] = await tabs(2)
  const refused = b.weft.subscribe("topic.secret")
  const told = expect(refused).rejects.toMatchObject({ code: "forbidden" })
  await pass()
  expect(socket().sent.at(-1).set).toEqual(["topic.a", "topic.secret"])
  socket().answer({ code: "forbidden" })
  await told
  socket().say(event(1))
  await pass()
  expect([a.ids(), b.ids()]).toEqual([["e1"], ["e1"]])
  expect(b.now().state).toBe("open")
  void a.weft.subscribe("topic.b")
  await pass()
  expect(socket().sent.at(-1).set).toEqual(["topic.a", "topic.b"])
})

test("what is asked for while the tab that leads goes is asked of the next", async () => {
  const [a, b] = await tabs(2)
  socket().say(event(1))
  await pass()
  const done = b.weft.subscribe("topic.b")
  await pass()
  a.weft.close()
  await pass(200)
  expect(socket().url.searchParams.getAll("subject")).toContain("topic.b")
  socket().open({ user: "ann" })
  await pass(2000)
  await done
  const more = b.weft.subscribe("topic.c")
  await pass()
  socket().answer()
  await more
})

test("each tab is told once of what a new token does not grant, if it follows that", async () => {
  const [a, b] = await tabs(2)
  const opened = tab({ subjects: ["topic.b"] })
  await pass()
  await known()
  socket().answer()
  const c = await opened
  await pass()
  expect(c.now().state).toBe("open")
  socket().say({ id: "c1", type: "weft.unsubscribed", data: { subjects: ["topic.a", "topic.b"], reason: "unauthorised" } })
  await pass()
  const gone = (...subjects: string[]) => [{ subjects, reason: "unauthorised" }]
  expect([a.gone, b.gone, c.gone]).toEqual([gone("topic.a"), gone("topic.a"), gone("topic.b")])
})

test("what a new token does not grant is not asked for again", async () => {
  const [a, b] = await tabs(2)
  socket().say({ id: "c1", type: "weft.unsubscribed", data: { subjects: ["topic.a"], reason: "unauthorised" } })
  await pass()
  const again = expect(a.weft.subscribe("topic.a")).rejects.toMatchObject({ code: "forbidden" })
  await pass()
  expect(socket().sent.at(-1).set).toEqual(["topic.a"]) // but by who asks for it anew
  socket().answer({ code: "forbidden" })
  await again
  const done = b.weft.subscribe("topic.b")
  await pass()
  expect(socket().sent.at(-1).set).toEqual(["topic.b"])
  socket().answer()
  await done
  expect(a.now().state).toBe("open")
  const subscribed = a.weft.subscribe("topic.c")
  await pass()
  socket().answer()
  await subscribed
  socket().say({ id: "c2", type: "weft.unsubscribed", data: { subjects: ["topic.c"], reason: "unauthorised" } })
  await pass()
  Channel.lose = (_, m) => m.frame?.event === "e3"
  socket().say(event(3), event(4))
  await pass()
  for (const r of polls()) expect(r.url.searchParams.getAll("subject")).not.toContain("topic.c")
  expect(polls().length).toBe(2)
})

test("what only a tab that has gone wanted is followed no more", async () => {
  const [a] = await tabs(1)
  const b = await tab({ subjects: ["topic.b"] })
  socket().answer()
  await pass()
  b.weft.close()
  await pass()
  expect(socket().sent.at(-1).set).toEqual(["topic.a"])
  socket().answer()
  await pass()
  expect(a.now().state).toBe("open")
})

test("types that tabs want of a subject differ: all come, and each tab gets its own", async () => {
  const [a] = await tabs(1, { subjects: [{ subject: "topic.a", type: ["order.*"] }] })
  socket().answer()
  await pass()
  const b = await tab({ subjects: [{ subject: "topic.a", type: ["note"] }] })
  expect(socket().sent.at(-1).set).toEqual([{ subject: "topic.a", type: [] }])
  socket().answer()
  await pass()
  socket().say(event(1), event(2, { type: "note" }), event(3, { type: "else" }))
  await pass()
  expect([a.ids(), b.ids()]).toEqual([["e1"], ["e2"]])
})

test("who asks for presence that is followed already is told how it is", async () => {
  const [a, b] = await tabs(2)
  const seen: unknown[] = []
  a.weft.onPresence("topic.a", p => seen.push(p.connections))
  await pass()
  socket().answer()
  socket().say({ type: "weft.presence", data: { topic: "a", online: true, connections: 3 } })
  await pass()
  b.weft.onPresence("topic.a", p => seen.push("b" + p.connections))
  await pass()
  expect([...new Set(seen)]).toEqual([3, "b3"])
})

test("a tab of another user has a connection of its own, and nothing of the other", async () => {
  const a = await tab()
  const ann = socket()
  ann.open({ user: "ann" })
  const b = await tab({ token: jwt({ sub: "bob" }) })
  const bob = socket()
  expect(bob).not.toBe(ann)
  bob.open({ user: "bob" })
  await pass()
  ann.say(event(1))
  bob.say(event(2))
  await pass()
  expect([a.ids(), b.ids()]).toEqual([["e1"], ["e2"]])
})

test("a page is closed when its connection becomes one of somebody else", async () => {
  const [a, b] = await tabs(2)
  socket().cut()
  await pass(1000)
  socket().open({ user: "bob" })
  socket().say(event(1, { subject: "user.bob" }))
  await pass()
  expect(a.now()).toMatchObject({ state: "closed", reason: "user_mismatch" })
  await pass(1000)
  socket().open({ user: "ann" })
  socket().say(event(2))
  await pass()
  expect([a.ids(), b.ids()]).toEqual([[], ["e2"]])
})

test("a token of somebody else closes the page that has it", async () => {
  let user = "ann"
  const [, b] = [await tabs(1), await tab({ token: () => jwt({ sub: user, exp: 1_700_000_000 + 60 }) })]
  await known()
  expect(b.now().state).toBe("open")
  user = "bob"
  await pass(40_000)
  await known()
  expect(b.now()).toMatchObject({ state: "closed", reason: "user_mismatch" })
})

test("a tab that leads asks for one new token, and shows it to both who is asked and its connection", async () => {
  let n = 0
  const a = await tab({ token: () => jwt({ sub: "ann", n: n++, exp: Date.now() / 1000 + 60 }) })
  socket().open({ user: "ann" })
  await pass(10_000)
  socket().say({ type: "weft.keepalive" })
  await pass(10_000)
  socket().say({ type: "weft.keepalive" })
  await pass(10_500)
  expect(n).toBe(2)
  expect(socket().sent.at(-1).token).toBe(asked().headers.Authorization.slice(7))
  await known()
  socket().answer()
  expect(a.now().state).toBe("open")
})

test("revoked is final for the tab whose token it is; the next leads with its own", async () => {
  const [a, b] = await tabs(2)
  socket().say({ type: "weft.close", data: { reason: "revoked", reconnect: false } })
  socket().cut(4403)
  await pass(200)
  expect(a.now()).toMatchObject({ state: "closed", reason: "revoked" })
  expect(Socket.all.length).toBe(2)
  expect(Socket.all[1].protocols).not.toEqual(Socket.all[0].protocols)
  socket().say({ type: "weft.close", data: { reason: "revoked", reconnect: false } })
  socket().cut(4403)
  await pass()
  expect(b.now()).toMatchObject({ state: "closed", reason: "revoked" })
  expect(Socket.all.length).toBe(2)
})

test("while the connection waits, all tabs show it; they miss nothing, and ask for nothing themselves", async () => {
  const [a, b] = await tabs(2)
  socket().say(event(1))
  await pass()
  socket().cut()
  await pass()
  expect(b.now()).toMatchObject({ state: "waiting", shared: true })
  expect(b.now().retryAt).toBe(a.now().retryAt)
  await pass(2000)
  socket().open({ user: "ann" })
  socket().say(event(2))
  await pass()
  expect(b.now()).toMatchObject({ state: "open", shared: true })
  expect(b.ids()).toEqual(["e1", "e2"])
  expect(polls()).toEqual([])
})

test("a tab that leads and does not answer is replaced, and what it says later is not heard", async () => {
  const [a] = await tabs(1)
  const frozen = socket()
  frozen.say(event(1))
  await pass()
  const hub = [...Channel.all]
  Channel.lose = to => hub.includes(to) // it hears nothing, and its tab neither
  const b = await tab()
  await pass(5200)
  expect(Socket.all.length).toBe(2)
  socket().open({ user: "ann" })
  await pass()
  Channel.lose = () => false
  frozen.say(event(9))
  socket().say(event(2))
  await pass()
  expect(b.ids()).toEqual(["e2"])
  expect(frozen.closed).toBe(true)
  expect(a.now().state).not.toBe("closed")
})

test("a page that is left lets go, and comes back from its place", async () => {
  const [a] = await tabs(1)
  socket().say(event(1))
  await pass()
  page.fire("pagehide")
  await pass()
  expect(socket().closed).toBe(true)
  page.fire("pageshow")
  await known()
  socket().open({ user: "ann" })
  await pass()
  expect(asked().url.searchParams.get("last_event_id")).toBe("c1")
  asked().answer(poll([event(2)]))
  await pass(5000)
  asked().answer(poll([], { last_event_id: "c2" }))
  socket().say(event(2), event(3))
  await pass()
  expect(a.ids()).toEqual(["e1", "e2", "e3"])
})

test("where the server does not say who this is, and where there are no locks, a tab has its own connection", async () => {
  const c = await client({ shared: true })
  await pass()
  const subscribed = c.weft.subscribe("topic.a")
  await pass()
  asked().refuse(404)
  await pass()
  socket().open()
  await pass()
  socket().answer()
  await subscribed
  await pass()
  expect(c.now()).toEqual({ state: "open", transport: "websocket", reason: undefined, detail: undefined })
  await client({ shared: true }) // a page for whatever is asked for
  asked().answer("<html>")
  await pass()
  expect(Socket.all.length).toBe(2)
  vi.stubGlobal("navigator", { onLine: true })
  const before = Request.all.length
  await client({ shared: true })
  expect(Request.all.length).toBe(before)
  expect(Socket.all.length).toBe(3)
})

test("a clock that is wrong by an hour ends no tab", async () => {
  for (const wrong of [3_600_000, -3_600_000]) {
    const token = jwt({ sub: "ann" }), expires = () => new Date(Date.now() - wrong + 60_000).toISOString() // a minute is left
    const me = { user: "ann", subscribe: ["user.ann"], allow: [] }
    const all = [], earlier = Request.all.length
    for (let i = 0; i < 2; i++) {
      const sockets = Socket.all.length
      all.push(await client({ shared: true, token }))
      asked().answer({ ...me, expires: expires() })
      await pass()
      if (Socket.all.length > sockets) socket().open({ user: "ann" })
      await pass()
    }
    const mes = () => Request.all.slice(earlier).filter(r => r.url.pathname.endsWith("/me"))
    for (let s = 0; s < 60; s += 5) {
      const before = mes().length
      socket().say({ type: "weft.keepalive" })
      await pass(5000)
      if (mes().length > before) asked().answer({ ...me, expires: expires() })
      for (const c of all) expect(c.now()).toMatchObject({ state: "open", transport: "websocket" })
    }
    expect(mes().length).toBeLessThan(6)
    for (const c of all) c.weft.close()
  }
})

test("the server is asked when the token of a tab that shares ends", async () => {
  const [a] = await tabs(1)
  const b = await client({ shared: true, token: jwt({ sub: "ann" }) })
  asked().answer({ user: "ann", subscribe: ["user.ann"], allow: ["topic.*"], publish: [], expires: new Date(Date.now() + 8000).toISOString() })
  await pass(9000)
  expect(asked().url.pathname).toBe("/_weft/v1/me")
  asked().refuse(401, "token_expired")
  await pass()
  expect(b.now()).toMatchObject({ state: "closed", reason: "expired" })
  expect(a.now().state).toBe("open")
})

test("a hub that speaks and does not answer, as one of a client that is broken, hangs no tab for good", async () => {
  const [a] = await tabs(1)
  Channel.lose = (_, m) => !!m.ask // neither what is asked nor an answer
  const b = await tab()
  for (let s = 0; s < 60 && b.now().state !== "open"; s++) {
    socket().say({ type: "weft.keepalive" })
    if (!socket().sent[0] && Socket.all.length > 1) socket().open({ user: "ann" })
    await pass(1000)
    await known()
  }
  expect(b.now()).toMatchObject({ state: "open", transport: "websocket" })
  expect(a.now().state).toBe("open")
})

test("a browser that grants no lock, not even a stolen one, hangs no tab for good", async () => {
  vi.stubGlobal("navigator", { onLine: true, locks: { request: () => new Promise(() => {}) } })
  const c = await tab()
  for (let s = 0; s < 60 && !Socket.all[0]; s++) {
    await pass(1000)
    await known()
  }
  socket().open({ user: "ann" })
  await pass()
  expect(c.now()).toMatchObject({ state: "open", transport: "websocket" })
})

test("a token is on no channel, in no address and in no storage", async () => {
  const said: unknown[] = []
  Channel.lose = (_, m) => !said.push(m)
  const secret = () => jwt({ sub: "ann", exp: Date.now() / 1000 + 100 }) + "secret"
  const [a, b] = await tabs(2, { token: async () => secret(), persist: "local", device: "phone" })
  const [its] = [...Channel.all].slice(-1)
  Channel.lose = (to, m) => !said.push(m) || (to === its && m.frame?.event === "e1")
  socket().say(event(1), event(2))
  await pass()
  for (const r of polls()) answered.add(r), r.answer(poll([event(1), event(2)]))
  await pass()
  a.weft.publish("topic.a", 1)
  for (let s = 0; s < 80; s += 5) { // beyond a renewal
    socket().say({ type: "weft.keepalive" })
    for (const m of socket().sent.splice(0)) socket().say({ ref: m.ref, ok: true })
    await pass(5000)
    await known()
  }
  expect(b.ids()).toEqual(["e1", "e2"])
  expect(said.length).toBeGreaterThan(10)
  expect(Request.all.filter(r => r.headers.Authorization?.includes("secret")).length).toBeGreaterThan(4)
  const seen = JSON.stringify([said, Request.all.map(r => r.url), Socket.all.map(s => s.url), localStorage, sessionStorage, [...Channel.all].map(c => c.name)])
  expect(seen).toContain("topic.a")
  expect(seen).not.toContain("secret")
})

test("what another program of the origin says on the channel hangs no tab", async () => {
  const odd = [null, 0, 1, "", "topic.a", [], {}, [7], { subject: 7 }, { state: "open" }, { state: "closed" }, { type: "weft.keepalive" }, undefined]
  let i = 1
  const any = () => odd[(i = (i * 48271) % 2147483647) % odd.length]
  const [a, b] = await tabs(2)
  const other = new Channel([...Channel.all][0].name)
  const errors: unknown[] = []
  for (const c of Channel.all) {
    const hear = c.onmessage
    if (hear) c.onmessage = e => { try { hear(e) } catch (err) { errors.push(err) } } // it is reported, and that is all
  }
  for (const m of odd) other.postMessage(m ?? null)
  for (let n = 0; n < 60; n++) {
    other.postMessage({ by: "other", ask: any(), want: any(), place: any(), behind: any() })
    other.postMessage({ hub: "other", n: any(), to: any(), ask: any(), lead: any(), from: any(), is: any(), recent: any(), error: any() })
    await vi.advanceTimersByTimeAsync(10)
  }
  for (let s = 0; s < 60 && !(a.ids().includes("e9") && b.ids().includes("e9")); s++) {
    for (const s of Socket.all) {
      if (s.closed) continue
      if (!s.sent.length && s !== Socket.all[0]) s.open({ user: "ann" })
      for (const { ref } of s.sent.splice(0)) s.say({ ref, ok: true })
      s.say(event(9))
    }
    for (const r of polls()) answered.add(r), r.answer(poll([event(9)]))
    await known()
    await pass(1000)
  }
  for (const c of [a, b]) expect([c.now().state, ...c.ids()]).toEqual(["open", "e9"])
})

// A page whose handlers are slow hears from its channel one message at a time, each when it has done
// with the one before; next hands on the next one.
function hears(its: Set<Channel>) {
  const held: (() => void)[] = []
  Channel.lose = (to, m) => its.has(to) && held.push(() => Channel.all.has(to) && to.onmessage?.({ data: JSON.parse(JSON.stringify(m)) })) > 0
  return { held, next: (n = 1) => { for (const one of held.splice(0, n)) one() } }
}

/** The channel of the tab that opens last. */
async function tabAnd(): Promise<[Awaited<ReturnType<typeof tab>>, Set<Channel>]> {
  const before = new Set(Channel.all), c = await tab()
  return [c, new Set([...Channel.all].filter(one => !before.has(one)))]
}

test("a tab that falls ever further behind the hub has a connection of its own, and what waits for it is let go", async () => {
  const [a] = await tabs(1), hub = socket()
  const [b, its] = await tabAnd()
  const queue = hears(its)
  let n = 0
  for (let half = 0; half < 60 && Socket.all.length < 2; half++) {
    hub.say(event(++n), event(++n))
    await pass(500)
    queue.next()
  }
  expect(socket()).not.toBe(hub)
  expect(n).toBeGreaterThan(40) // not at once
  const had = b.ids().length
  expect(socket().url.searchParams.get("last_event_id")).toBe("c" + had)
  socket().open({ user: "ann" })
  await pass()
  expect(b.now()).toMatchObject({ state: "open", transport: "websocket" })
  expect(b.now().shared).toBeFalsy()
  queue.next(1000)
  await pass()
  expect(b.ids().length).toBe(had) // that was of its channel
  while (b.ids().length < n) socket().say(event(b.ids().length + 1))
  expect(b.ids()).toEqual(a.ids())
  expect(a.now().shared).toBe(false)
  expect(polls()).toEqual([])
})

test("a tab that has stood still for long takes what has waited, and goes on with the hub", async () => {
  const [a] = await tabs(1)
  const [b, its] = await tabAnd()
  const queue = hears(its)
  for (let n = 1; n <= 20; n++) {
    socket().say(event(n))
    await pass(1000)
  }
  expect(b.ids()).toEqual([])
  queue.next(5)
  await pass(2000)
  queue.next(1000)
  await pass()
  Channel.lose = () => false
  socket().say(event(21))
  await pass(6000)
  socket().say(event(22))
  await pass()
  expect(b.ids()).toEqual(a.ids())
  expect(b.ids().length).toBe(22)
  expect(Socket.all.length).toBe(1)
  expect(polls()).toEqual([])
})

test("a tab that leads and whose handlers take all its time leaves the others to one that has time", async () => {
  const [a, b, c] = await tabs(3), hub = socket()
  a.weft.on("*", () => void vi.setSystemTime(Date.now() + 180))
  let n = 0
  for (; n < 100 && Socket.all.length < 2; n++) {
    hub.say(event(n + 1))
    await pass(20)
  }
  expect(n * 200).toBeGreaterThanOrEqual(5000)
  expect(hub.closed).toBe(true)
  await pass(200)
  expect(Socket.all.length).toBe(3)
  for (const s of Socket.all.slice(1)) s.open({ user: "ann" })
  await pass()
  expect([a, b, c].map(t => t.now().state)).toEqual(["open", "open", "open"])
  expect([a, b, c].filter(t => t.now().shared).length).toBe(1)
  for (const s of Socket.all.slice(1)) for (let i = +s.url.searchParams.get("last_event_id")!.slice(1) + 1; i <= n + 5; i++) s.say(event(i))
  await pass()
  for (const t of [a, b, c]) expect(t.ids()).toEqual(Array.from({ length: n + 5 }, (_, i) => "e" + (i + 1)))
})

test("one long handler, and one that is busy half of the time, lead on", async () => {
  const [a, b] = await tabs(2)
  let takes = 15_000
  a.weft.on("*", () => void vi.setSystemTime(Date.now() + takes))
  for (let n = 1; n <= 80; n++) {
    socket().say(event(n))
    await pass(100)
    takes = 100
  }
  expect(Socket.all.length).toBe(1)
  expect(b.ids().length).toBe(80)
})

test("a tab that catches up while very much comes gets in step, and one that cannot has a connection of its own", async () => {
  const [a, b] = await tabs(2)
  await pass(6000)
  const hub = socket()
  hub.say(event(1))
  await pass()
  loses(2)
  hub.say(event(2), event(3))
  await pass()
  let n = 3
  const comes = (count: number) => {
    const from = n + 1
    hub.say(...Array.from({ length: count }, () => event(++n)))
    return Array.from({ length: count }, (_, i) => event(from + i))
  }
  asked().answer(poll([event(2), event(3), ...comes(253)])) // 255: that was all there is
  await pass()
  hub.say(event(++n))
  await pass()
  expect(b.ids().at(-1)).toBe("e" + n)
  expect(asked().init.signal!.aborted).toBe(true)

  loses(n + 1)
  const waits = () => polls().filter(r => !r.init.signal!.aborted)
  let next = [...comes(2)]
  await pass()
  for (let round = 0; round < 3; round++) {
    next.push(...comes(256 - next.length))
    const asking = waits()[0]
    asking.answer(poll(next))
    next = []
    await pass()
    expect(waits().map(r => r === asking)).toEqual([false]) // that may not have been all
  }
  expect(Socket.all.length).toBe(1)
  comes(30_001) // and the answer does not come
  await pass()
  expect(Socket.all.length).toBe(2)
  expect(socket().url.searchParams.get("last_event_id")).toBe(b.events.at(-1)!.id)
  socket().open({ user: "ann" })
  socket().say(event(b.ids().length + 1))
  await pass()
  expect(b.now()).toMatchObject({ state: "open", transport: "websocket" })
  expect(b.ids()).toEqual(Array.from({ length: b.ids().length }, (_, i) => "e" + (i + 1)))
  expect(a.ids().length).toBe(n)
}, 60_000)

test("what the token of a tab grants no more is told to its page, and not asked for anew", async () => {
  let n = 0
  const a = await tab({ subjects: ["topic.a", "topic.b"], transports: ["websocket"], token: () => jwt({ sub: "ann", jti: "s" + n++, exp: Date.now() / 1000 + 100 }) })
  socket().open({ user: "ann" })
  await pass()
  expect(a.now().state).toBe("open")
  await pass(50_000) // by when the token is renewed
  for (const r of Request.all) if (r.url.pathname.endsWith("/me") && !answered.has(r)) {
    answered.add(r)
    r.answer({ user: "ann", subscribe: ["user.ann"], allow: ["topic.b"], publish: [] })
  }
  await pass(1000)
  await known() // of the other group
  expect(a.gone).toEqual([{ subjects: ["topic.a"], reason: "unauthorised" }])
  expect(socket().closed).toBe(false)
  expect(socket().url.searchParams.getAll("subject")).toEqual(["topic.b"])
})
