// How a connection comes back, and what it says of itself meanwhile.
import { expect, test, vi } from "vitest"
import { asked, client, event, jwt, page, pass, poll, Request, Socket, socket } from "./stage"

test("silence of two and a half keep-alives is a dead connection, which comes back from its place", async () => {
  const c = await client()
  socket().open({ keepalive: 4 })
  socket().say(event(1))
  await pass(9_999)
  expect(c.now().state).toBe("open")
  await pass(1)
  expect(Socket.all[0].closed).toBe(true)
  expect(c.names()).not.toContain("closed")
  await pass(500)
  asked().answer(poll()) // nothing but the beginning had come through, so SSE was tried, too
})

test("keep-alives keep a connection, and move its place", async () => {
  const c = await client()
  socket().open()
  for (let i = 0; i < 20; i++) {
    await pass(10_000)
    socket().say({ type: "weft.keepalive", id: "k" + i })
  }
  expect(c.names()).toEqual(["connecting", "open"])
  await pass(25_000)
  expect(c.now()).toMatchObject({ state: "waiting", reason: "silent" })
  await pass(500)
  expect(socket().url.searchParams.get("last_event_id")).toBe("k19")
})

test("a node that does not tell its keep-alives has them every 25 seconds", async () => {
  const c = await client()
  socket().open({ keepalive: undefined })
  await pass(62_000)
  expect(c.now().state).toBe("open")
  await pass(500)
  expect(c.now().state).not.toBe("open")
})

test("a poll that is not answered is a dead connection", async () => {
  const c = await client({ transports: ["poll"] })
  asked().answer(poll())
  await pass(25_000)
  expect(c.now()).toMatchObject({ state: "waiting", reason: "silent" })
})

test("the place moves only when the event has been handed on", async () => {
  const c = await client({ persist: "session" })
  socket().open()
  const places: unknown[] = []
  c.weft.on("*", () => places.push(Object.values(sessionStorage)[0]))
  socket().say(event(1), event(2))
  expect(places).toEqual(["c0", "c1"])
  expect(Object.values(sessionStorage)[0]).toBe("c2")
})

test("a connection that is lost while an event is handed on comes back after that event", async () => {
  const c = await client()
  socket().open()
  const off = c.weft.on("*", () => socket().cut())
  socket().say(event(1))
  off()
  await pass(500)
  expect(socket().url.searchParams.get("last_event_id")).toBe("c1")
})

test("an event comes once by its id, and the memory for that is bounded", async () => {
  const c = await client()
  socket().open()
  for (let i = 0; i < 2100; i++) socket().say(event(i), event(i))
  expect(c.ids()).toHaveLength(2100)
  socket().say(event(0))
  expect(c.ids()).toHaveLength(2101)
  socket().say(event(2099))
  expect(c.ids()).toHaveLength(2101)
})

test("waits grow with each failure, up to half a minute, and begin anew after a connection that lasted", async () => {
  const c = await client({ transports: ["websocket"] })
  const waits: number[] = []
  for (let i = 0; i < 9; i++) {
    socket().cut()
    await pass()
    waits.push(c.now().retryAt! - Date.now())
    await pass(waits.at(-1))
  }
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000])
  socket().open()
  await pass(12_000)
  socket().say({ type: "weft.keepalive" })
  socket().cut()
  expect(c.now().retryAt! - Date.now()).toBe(500)
})

test("a connection that opens and ends at once is not a storm", async () => {
  await client()
  for (let s = 0; s < 60; s++) {
    if (!socket().closed) {
      socket().open()
      socket().say({ type: "weft.close", data: { reason: "slow", reconnect: true } })
    }
    await pass(1000)
  }
  expect(Socket.all.length).toBeLessThan(9)
})

test("waits are spread", async () => {
  vi.mocked(Math.random).mockReturnValue(0)
  const c = await client({ transports: ["websocket"] })
  socket().cut()
  expect(c.now().retryAt! - Date.now()).toBe(250)
})

test.each([
  ["a WebSocket", async () => { socket().say({ type: "weft.close", data: { reason: "drain", reconnect: true, retry: 3000 } }) }],
  ["an SSE connection", async () => {
    asked().begin()
    asked().text(`retry: 3000\ndata: {"type":"weft.close","data":{"reason":"drain","reconnect":true}}\n\n`)
    await pass()
  }],
  ["a request that is refused", async () => {
    asked().refuse(429, "drain", { "Retry-After": "3" })
    await pass()
  }],
])("who is told by %s to wait waits, and goes by the same transport", async (by, told) => {
  const c = await client({ transports: by === "a WebSocket" ? ["websocket", "poll"] : ["sse", "poll"] })
  await told()
  expect(c.now()).toMatchObject({ state: "waiting", reason: "drain", retryAt: Date.now() + 3000 })
  await pass(2999)
  expect(Socket.all.length + Request.all.length).toBe(1)
  await pass(1)
  expect(Socket.all.length + Request.all.length).toBe(2)
  expect(asked()?.isPoll).not.toBe(true)
})

test.each([
  [{ reason: "revoked", reconnect: false }],
  [{ reason: "unauthorised", reconnect: false }],
  [{ reason: "disconnected", reconnect: false, detail: "maintenance" }],
])("who is told not to come back does not: %o", async close => {
  const c = await client({ token: () => "t" })
  socket().open()
  socket().say({ type: "weft.close", data: close })
  expect(c.now()).toMatchObject({ state: "closed", reason: close.reason, detail: close.detail })
  page.fire("online")
  page.fire("pageshow")
  await pass(600_000)
  expect(Socket.all).toHaveLength(1)
  expect(vi.getTimerCount()).toBe(0)
})

test.each([
  [403, "forbidden", "forbidden"],
  [403, "token_revoked", "revoked"], // as a connection that is cut says it
  [400, "bad_subject", "bad_subject"],
])("a refusal that waiting does not mend is final: %i %s", async (status, code, reason) => {
  const c = await client({ transports: ["sse"] })
  asked().refuse(status, code)
  await pass()
  expect(c.now()).toMatchObject({ state: "closed", reason, detail: "because of " + code })
})

test("what somebody between answers, who is not Weft, is not final", async () => {
  const c = await client({ transports: ["sse"] })
  asked().refuse(403)
  await pass()
  expect(c.now()).toMatchObject({ state: "waiting", reason: "status 403" })
})

test("the browser says that there is no network: offline, and a connection as soon as there is", async () => {
  const c = await client()
  socket().open()
  ;(navigator as any).onLine = false
  page.fire("offline")
  expect(c.now()).toMatchObject({ state: "offline", retryAt: Date.now() + 500 })
  expect(Socket.all[0].closed).toBe(true)
  await pass(500)
  expect(c.now().state).toBe("offline") // it tries all the same, since a browser may be wrong
  ;(navigator as any).onLine = true
  page.fire("online")
  await pass()
  socket().open()
  expect(c.now().state).toBe("open")
})

test("a browser that is wrong about being offline has a connection", async () => {
  ;(navigator as any).onLine = false
  const c = await client()
  socket().open()
  expect(c.now().state).toBe("open")
})

test("a page that is shown again, or thawed, does not wait, and looks whether its connection lives", async () => {
  const c = await client()
  socket().open()
  await pass(9_000)
  page.fire("visibilitychange")
  await pass()
  expect(Socket.all).toHaveLength(1) // which it does
  vi.setSystemTime(Date.now() + 60_000) // asleep
  page.fire("resume")
  await pass()
  expect(Socket.all).toHaveLength(2)
  expect(c.now().state).toBe("connecting")
  for (const type of ["pageshow", "visibilitychange"]) page.fire(type)
  await pass()
  expect(Socket.all).toHaveLength(2)
  socket().cut()
  await pass()
  asked().fail(new TypeError("no"))
  await pass()
  asked().fail(new TypeError("no"))
  await pass()
  expect(c.now().state).toBe("waiting")
  page.fire("visibilitychange")
  await pass()
  expect(Socket.all).toHaveLength(3)
})

test("a page that is left lets go, and follows again when one comes back to it", async () => {
  const c = await client()
  socket().open()
  socket().say(event(1))
  page.fire("pagehide")
  expect(Socket.all[0].closed).toBe(true)
  page.fire("pageshow")
  await pass()
  expect(socket().url.searchParams.get("last_event_id")).toBe("c1")
  socket().open()
  expect(c.now().state).toBe("open")
})

test("the place is kept over page loads if asked, of the same page and the same user alone", async () => {
  const one = await client({ persist: "session", subjects: ["topic.a"], user: "ann" })
  socket().open()
  socket().say(event(7))
  one.weft.close()
  const begun = async (options: object) => {
    await client({ persist: "session", subjects: ["topic.a"], user: "ann", ...options })
    return socket().url.searchParams.get("last_event_id")
  }
  expect(await begun({})).toBe("c7")
  expect(await begun({ user: "bob" })).toBe(null)
  expect(await begun({ subjects: ["topic.b"] })).toBe(null)
  expect(await begun({ persist: undefined })).toBe(null)
  expect(await begun({ persist: "local" })).toBe(null)
})

test("close ends all: timers, listeners, links, what waits", async () => {
  const c = await client({ token: () => jwt({ exp: Date.now() / 1000 + 3600 }) })
  const waits = c.weft.subscribe("topic.x").then(() => "", e => e.code)
  expect(vi.getTimerCount()).toBeGreaterThan(1)
  c.weft.close()
  expect(socket().closed).toBe(true)
  expect(c.now()).toMatchObject({ state: "closed", reason: "closed" })
  expect(vi.getTimerCount()).toBe(0)
  await pass(31_000)
  expect(await waits).toBe("closed")
  socket().open()
  socket().say(event(1))
  page.fire("online")
  await pass()
  expect(c.ids()).toEqual([])
  expect(c.names().filter(s => s === "closed")).toHaveLength(1)
  expect(Socket.all).toHaveLength(1)
})

test("a page may close from any handler", async () => {
  const c = await client()
  c.weft.onState(s => s.state === "open" && c.weft.close())
  socket().open()
  socket().say(event(1))
  await pass(60_000)
  expect(c.ids()).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})

test("a reset is told once, with its subjects", async () => {
  const c = await client()
  socket().open({ resume: "reset" })
  socket().say({ id: "c9", type: "weft.reset", data: { subjects: ["topic.a"], reason: "trimmed" } }, event(10))
  expect(c.resets).toEqual([{ subjects: ["topic.a"], reason: "trimmed" }])
  expect(c.ids()).toEqual(["e10"])
})

test("who was told to wait does, whatever the page does", async () => {
  const c = await client()
  socket().say({ type: "weft.close", data: { reason: "limit", reconnect: true, retry: 5000 } })
  await pass(1000)
  for (const type of ["online", "visibilitychange", "pageshow", "resume"]) page.fire(type)
  await pass()
  expect(Socket.all).toHaveLength(1)
  expect(c.now()).toMatchObject({ state: "waiting", reason: "limit", retryAt: Date.now() + 4000 })
  await pass(4000)
  expect(Socket.all).toHaveLength(2)
})

test.each([
  [403, { code: 16, message: "no" }],
  [503, { code: "UPSTREAM", message: "no" }],
  [403, { code: "blocked" }],
  [401, { code: "token_invalid" }],
  [502, null],
])("an error of somebody between passes, whatever JSON it is: %i %o", async (status, body) => {
  const c = await client({ transports: ["sse", "poll"] })
  for (let i = 0; i < 2; i++) {
    asked().answer(JSON.stringify(body), status, { "Content-Type": "application/json" })
    await pass()
  }
  expect(c.now()).toMatchObject({ state: "waiting", reason: "status " + status })
  expect(asked().isPoll).toBe(true)
})

test("who was told to wait does, though the network or the page goes and comes back meanwhile", async () => {
  const c = await client()
  socket().say({ type: "weft.close", data: { reason: "limit", reconnect: true, retry: 20_000 } })
  for (const type of ["offline", "online", "pagehide", "pageshow"]) page.fire(type)
  await pass(19_999)
  expect(Socket.all).toHaveLength(1)
  expect(c.now()).toMatchObject({ state: "waiting", retryAt: Date.now() + 1 })
  await pass(1)
  expect(Socket.all).toHaveLength(2)
})

test("who is let in and sent away with a short time to wait, again and again, is no storm", async () => {
  await client()
  for (let s = 0; s < 60; s++) {
    if (!socket().closed) {
      socket().open()
      socket().say({ type: "weft.close", data: { reason: "limit", reconnect: true, retry: 100 } })
    }
    await pass(1000)
  }
  expect(Socket.all.length).toBeLessThan(9)
})

test("a dead connection is found though the clock has been set back", async () => {
  const c = await client({ transports: ["websocket"] })
  socket().open()
  await pass(5000)
  vi.setSystemTime(Date.now() - 7_200_000)
  await pass(26_000)
  expect(Socket.all).toHaveLength(2)
  socket().open()
  await pass(5000)
  socket().say({ type: "weft.keepalive" })
  await pass(5000)
  expect(c.now().state).toBe("open")
})

test("a token that was refused is replaced, whatever makes the page try again", async () => {
  let n = 0
  const c = await client({ token: () => "t" + n++, transports: ["websocket"] })
  for (const type of ["visibilitychange", "online", "offline", "pagehide"]) {
    socket().open()
    socket().say({ type: "weft.close", data: { reason: "expired", reconnect: true } })
    page.fire(type)
    const before = Socket.all.length
    for (let i = 0; i < 80 && Socket.all.length === before; i++) await pass(500)
    expect(socket().protocols[1], type).toBe("bearer.t" + (n - 1))
    expect(n).toBe(Socket.all.length)
  }
  expect(c.now().state).not.toBe("closed")
})

test("a connection that is cut before the reset that it has announced comes back from the old place, and is told", async () => {
  const c = await client({ persist: "session" })
  socket().open()
  socket().say(event(1))
  socket().cut()
  await pass(500)
  socket().open({ resume: "reset" })
  socket().cut()
  await pass(1000)
  expect(socket().url.searchParams.get("last_event_id")).toBe("c1")
  socket().open({ resume: "reset" })
  socket().say({ id: "c9", type: "weft.reset", data: { subjects: ["topic.a"], reason: "trimmed" } })
  socket().cut()
  await pass(2000)
  expect(socket().url.searchParams.get("last_event_id")).toBe("c9")
  expect(c.resets).toHaveLength(1)
})

test("who is told to wait for a month is no storm", async () => {
  await client({ transports: ["sse"] })
  asked().refuse(503, "not_ready", { "Retry-After": "2592000" })
  await pass(3_600_000)
  expect(Request.all).toHaveLength(1)
})
