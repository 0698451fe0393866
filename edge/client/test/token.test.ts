// The token: asked for, refreshed, refused.
import { expect, test, vi } from "vitest"
import { asked, client, event, jwt, page, pass, poll, Request, Socket, socket } from "./stage"

const now = () => Date.now() / 1000
const bearer = () => socket().protocols[1]

test("a token goes by the sub-protocol, by a header, without the blanks that a file may have", async () => {
  await client({ token: () => "  one\n" })
  expect(socket().protocols).toEqual(["weft.v1", "bearer.one"])
  socket().cut()
  await pass()
  expect(asked().headers.Authorization).toBe("Bearer one")
  expect(asked().init.credentials).toBe("same-origin")
})

test.each([[{}], [{ token: () => undefined }], [{ token: () => null }]])("without a token the cookie goes along: %o", async options => {
  await client({ transports: ["sse"], ...options })
  expect(asked().headers.Authorization).toBeUndefined()
  expect(asked().init.credentials).toBe("include")
})

test("a token is asked for once, not at each return", async () => {
  const token = vi.fn(async () => "one")
  await client({ token })
  for (let i = 0; i < 3; i++) {
    socket().open()
    await pass(12_000)
    socket().say({ type: "weft.keepalive" })
    socket().cut()
    await pass(500)
  }
  expect(Socket.all).toHaveLength(4)
  expect(token).toHaveBeenCalledTimes(1)
})

test("a token is renewed by its claim, a minute before its end, and the connection goes on", async () => {
  let n = 0
  const c = await client({ token: () => jwt({ n: n++, exp: now() + 600 }) })
  socket().open()
  for (let s = 0; s < 539; s++) {
    await pass(1000)
    if (s % 10 === 0) socket().say({ type: "weft.keepalive" })
  }
  expect(socket().sent).toEqual([])
  await pass(1000)
  expect(socket().sent).toEqual([{ token: jwt({ n: 1, exp: now() + 600 }), ref: 1 }])
  socket().answer()
  expect(Socket.all).toHaveLength(1)
  expect(c.names()).toEqual(["connecting", "open"])
})

test("a token of half a minute is renewed at its half, not all the time", async () => {
  let n = 0
  await client({ token: () => jwt({ n: n++, exp: now() + 30 }) })
  socket().open()
  for (let s = 0; s < 120; s++) {
    await pass(1000)
    if (s % 10 === 0) socket().say({ type: "weft.keepalive" })
    const last = socket().sent.at(-1)
    if (last && !last.done) {
      last.done = true
      socket().answer()
      socket().say({ type: "weft.expiring", data: { in: 29.5 } }) // the node says so at once of such a token
    }
  }
  expect(n).toBeGreaterThan(7)
  expect(n).toBeLessThan(11)
})

test("weft.expiring has a token renewed that says nothing of itself", async () => {
  let n = 0
  await client({ token: () => "opaque" + n++ })
  socket().open()
  socket().say({ type: "weft.expiring", data: { in: 20 } })
  await pass(9_999)
  expect(n).toBe(1)
  await pass(1)
  expect(socket().sent[0].token).toBe("opaque1")
})

test("a claim that is already over by this clock says nothing", async () => {
  const token = vi.fn(() => jwt({ exp: now() - 3600 }))
  await client({ token })
  socket().open()
  await pass(20_000)
  expect(token).toHaveBeenCalledTimes(1)
})

test("over SSE a new token comes by PATCH, over polls with the next one", async () => {
  let n = 0
  await client({ token: () => "t" + n++, transports: ["sse"], user: "ann" })
  asked().open()
  await pass()
  const sse = asked()
  sse.say({ type: "weft.expiring", data: { in: 2 } })
  await pass(1000)
  expect(asked()).toMatchObject({ method: "PATCH", headers: { Authorization: "Bearer t1" } })
  expect(String(asked().url)).toBe("https://weft.example/_weft/v1/connections/k?user=ann")
  expect(JSON.parse(asked().init.body as string)).toEqual({ token: "t1" })
  asked().answer({ subjects: [] })
  await pass()
  expect(sse.aborted).toBe(false)

  n = 0
  await client({ token: () => jwt({ n: n++, exp: now() + 20 }), transports: ["poll"] })
  asked().answer(poll())
  await pass(11_000)
  asked().answer(poll([event(1)]))
  await pass()
  expect(asked().headers.Authorization).toBe("Bearer " + jwt({ n: 1, exp: now() - 1 + 20 }))
})

test("a function that renews the cookie and returns nothing: another connection takes over before the old one ends", async () => {
  const token = vi.fn(() => undefined)
  const c = await client({ token })
  socket().open()
  socket().say(event(1))
  socket().say({ type: "weft.expiring", data: { in: 20 } })
  await pass(10_000)
  expect(token).toHaveBeenCalledTimes(2)
  expect(Socket.all).toHaveLength(2)
  Socket.all[0].say(event(2))
  expect(Socket.all[0].closed).toBe(false)
  socket().open()
  socket().say(event(2), event(3))
  expect(Socket.all[0].closed).toBe(true)
  expect(c.ids()).toEqual(["e1", "e2", "e3"])
})

test("an expired token is replaced once, and what is refused again is final", async () => {
  let n = 0
  const c = await client({ token: () => "t" + n++, transports: ["sse"] })
  asked().refuse(401, "token_expired")
  await pass(500)
  expect(asked().headers.Authorization).toBe("Bearer t1")
  asked().refuse(401, "token_invalid")
  await pass()
  expect(c.now()).toMatchObject({ state: "closed", reason: "token_invalid" })
  expect(n).toBe(2)
})

test("a connection that ends with its token comes back with a new one, and each time", async () => {
  let n = 0
  const c = await client({ token: () => "t" + n++ })
  for (let i = 0; i < 3; i++) {
    expect(bearer()).toBe("bearer.t" + i)
    socket().open()
    await pass(12_000)
    socket().say({ type: "weft.keepalive" }, { type: "weft.close", data: { reason: "expired", reconnect: true } })
    await pass(500)
  }
  expect(c.names()).not.toContain("closed")
})

test("a token that was given as text cannot be replaced: its end is final", async () => {
  const c = await client({ token: "t" })
  socket().open()
  socket().say({ type: "weft.expiring", data: { in: 2 } }, { type: "weft.close", data: { reason: "expired", reconnect: true } })
  expect(c.now()).toMatchObject({ state: "closed", reason: "expired" })
})

test("a cookie that somebody renews may be good the next time", async () => {
  const c = await client()
  socket().open()
  socket().say({ type: "weft.close", data: { reason: "expired", reconnect: true } })
  await pass(500)
  socket().open()
  expect(c.now().state).toBe("open")
})

test.each([
  ["fails", () => Promise.reject(new Error("no"))],
  ["throws", () => { throw new Error("no") }],
])("a token function that %s is asked again, and the page is told", async (_, fails) => {
  let good = false
  const c = await client({ token: () => (good ? "t" : fails()) })
  expect(c.now()).toMatchObject({ state: "waiting", reason: "token_unavailable", retryAt: Date.now() + 500 })
  good = true
  await pass(500)
  expect(bearer()).toBe("bearer.t")
})

test("a token function that hangs is given up after half a minute", async () => {
  const c = await client({ token: () => new Promise(() => {}) })
  await pass(29_999)
  expect(c.now().state).toBe("connecting")
  await pass(1)
  expect(c.now()).toMatchObject({ state: "waiting", reason: "token_unavailable" })
})

test("a renewal that fails is tried again while the connection goes on", async () => {
  let n = 0
  await client({ token: () => { if (n++ === 1) throw new Error("no"); return "t" + n } })
  socket().open()
  socket().say({ type: "weft.expiring", data: { in: 20 } })
  await pass(10_000)
  socket().say({ type: "weft.keepalive" })
  await pass(5_000)
  expect(socket().sent[0].token).toBe("t3")
})

test("a token of somebody else closes the client, whose page shows what is the first one's", async () => {
  let user = "ann"
  const c = await client({ token: () => user })
  socket().open({ user: "ann" })
  user = "bob"
  socket().say({ type: "weft.expiring", data: { in: 2 } })
  await pass(1000)
  socket().answer({ code: "user_mismatch" })
  await pass(60_000)
  expect(c.now()).toMatchObject({ state: "closed", reason: "user_mismatch" })
  expect(Socket.all).toHaveLength(1)
})

test.each([["somebody else", "bob"], ["nobody", undefined]])("a client that comes back as %s is closed, and hands nothing on", async (_, user) => {
  const c = await client()
  socket().open({ user: "ann" })
  socket().say(event(1))
  socket().cut()
  await pass(1000)
  const other = socket()
  other.open({ user })
  other.say(event(2))
  await pass(60_000)
  expect(c.now()).toMatchObject({ state: "closed", reason: "user_mismatch" })
  expect(c.ids()).toEqual(["e1"])
  expect(other.closed).toBe(true)
  expect(Socket.all).toHaveLength(2)
})

test("a poll is told no user: who falls back to polls, and returns, is who she was", async () => {
  const c = await client({ transports: ["websocket", "poll"] })
  socket().open({ user: "ann" })
  await pass(1)
  socket().cut()
  await pass(1000)
  socket().cut() // before it has opened
  await pass()
  asked().answer(poll([event(1)]))
  await pass()
  expect(c.now()).toMatchObject({ state: "open", transport: "poll" })
  expect(c.ids()).toEqual(["e1"])
  await pass(12_000)
  socket().open({ user: "ann" })
  expect(c.now()).toMatchObject({ state: "open", transport: "websocket" })
})

test.each(["<!doctype html>\n<p>Sign in", '{"token":"t"}', '"t"', "a b"])("what is no token is not shown as one: %s", async text => {
  let answer = text
  const c = await client({ token: async () => answer })
  expect(c.now()).toMatchObject({ state: "waiting", reason: "token_unavailable" })
  expect(Socket.all).toHaveLength(0)
  answer = "t"
  await pass(500)
  expect(bearer()).toBe("bearer.t")
})

test("a token that no WebSocket can carry is shown by a request, and its refusal is told", async () => {
  vi.stubGlobal("WebSocket", class { constructor() { throw new SyntaxError("sub-protocol") } })
  const c = await client({ token: "a b" })
  await pass()
  asked().refuse(401, "token_invalid")
  await pass()
  expect(c.now()).toMatchObject({ state: "closed", reason: "token_invalid" })
})

test("who is asked for a token twice, since the network is another one, does not make two connections", async () => {
  const give: ((t: string) => void)[] = []
  await client({ token: () => new Promise<string>(then => give.push(then)) })
  page.fire("online")
  await pass()
  for (const then of give) then("t")
  await pass()
  expect(give).toHaveLength(2)
  expect(Socket.all).toHaveLength(1)
})
