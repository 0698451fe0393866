// Which transport a client takes, and that it makes no difference what comes over which.
import { expect, test, vi } from "vitest"
import { asked, client, event, jwt, page, pass, poll, Request, Socket, socket } from "./stage"

test("a WebSocket that does not open is followed by Server-Sent Events, and these by polls, without a wait", async () => {
  const c = await client()
  expect(String(socket().url)).toMatch(/^wss:\/\/weft\.example\/_weft\/v1\/events/)
  socket().cut()
  await pass()
  expect(asked().headers.Accept).toBe("text/event-stream")
  asked().fail(new TypeError("no"))
  await pass()
  expect(asked().url.searchParams.get("wait")).toBe("0s")
  asked().answer(poll())
  await pass()
  expect(c.now()).toMatchObject({ state: "open", transport: "poll" })
  expect(c.names()).toEqual(["connecting", "open"])
})

test("a proxy that takes a connection and never lets it open is passed by after ten seconds", async () => {
  const c = await client()
  await pass(10_000) // the WebSocket
  expect(socket().closed).toBe(true)
  asked().begin() // the proxy answers, and keeps back what follows
  await pass(10_000)
  expect(asked().isPoll).toBe(true)
  asked().answer(poll([event(1)]))
  await pass()
  expect(c.ids()).toEqual(["e1"])
  expect(c.now().transport).toBe("poll")
})

test("a proxy that lets the beginning through and keeps back the rest is passed by", async () => {
  const c = await client({ transports: ["sse", "poll"] })
  asked().open()
  await pass(25_000)
  expect(asked().isPoll).toBe(true)
  asked().answer(poll())
  await pass()
  expect(c.names()).toEqual(["connecting", "open", "connecting", "open"])
})

test("a connection that is cut after a minute comes back by the same transport, at once and each time", async () => {
  const c = await client()
  for (let i = 1; i <= 5; i++) {
    socket().open()
    for (let s = 0; s < 6; s++) {
      await pass(10_000)
      socket().say({ type: "weft.keepalive", id: "k" + i })
    }
    socket().cut()
    expect(c.now()).toMatchObject({ state: "waiting", reason: "lost" })
    await pass(500)
    expect(Socket.all).toHaveLength(i + 1)
    expect(socket().url.searchParams.get("last_event_id")).toBe("k" + i)
  }
  expect(Request.all).toHaveLength(0)
})

test("what worked is tried first by the next page of the origin", async () => {
  await client().then(async c => {
    socket().cut()
    await pass()
    asked().open()
    await pass()
    c.weft.close()
  })
  await client()
  expect(Socket.all).toHaveLength(1)
  expect(asked().headers.Accept).toBe("text/event-stream")
})

test("what worked is forgotten after a day, since the network may be another one", async () => {
  const c = await client()
  socket().cut()
  await pass()
  asked().open()
  await pass()
  c.weft.close()
  await pass(86_400_001)
  await client()
  expect(Socket.all).toHaveLength(2)
})

test("a page whose storage fails is served all the same", async () => {
  vi.stubGlobal("localStorage", new Proxy({}, { get() { throw new Error("no") }, set() { throw new Error("full") } }))
  const c = await client({ persist: "local" })
  socket().open()
  socket().say(event(1))
  expect(c.ids()).toEqual(["e1"])
})

test("a better transport is tried while the worse goes on, and takes over without a gap or a double", async () => {
  const c = await client()
  socket().cut()
  await pass()
  const sse = asked()
  sse.open()
  await pass()
  sse.say(event(1))
  await pass(10_000)
  expect(Socket.all).toHaveLength(2)
  expect(socket().url.searchParams.get("last_event_id")).toBe("c1")
  sse.say(event(2), event(3)) // meanwhile
  await pass()
  expect(sse.aborted).toBe(false)
  socket().open()
  socket().say(event(2), event(3), event(4))
  await pass()
  expect(sse.aborted).toBe(true)
  expect(c.ids()).toEqual(["e1", "e2", "e3", "e4"])
  expect(c.now()).toMatchObject({ state: "open", transport: "websocket" })
  expect(c.names()).toEqual(["connecting", "open", "open"])
})

test("a better transport that still does not work is tried ever less often", async () => {
  const c = await client({ transports: ["websocket", "sse"] })
  socket().cut()
  await pass()
  asked().open()
  await pass()
  const at: number[] = []
  for (let s = 0; s < 400; s++) {
    const before = Socket.all.length
    asked().say({ type: "weft.keepalive" })
    await pass(1000)
    if (Socket.all.length > before) {
      at.push(s)
      socket().cut()
    }
  }
  expect(at.length).toBeGreaterThan(2)
  expect(at[2] - at[1]).toBeGreaterThan(2 * (at[1] - at[0]))
  expect(c.names()).toEqual(["connecting", "open"])
  expect(Request.all).toHaveLength(1)
})

test("another network gives the better transport another chance soon", async () => {
  const c = await client()
  socket().cut()
  await pass()
  asked().open()
  await pass()
  page.fire("online")
  await pass()
  asked().open()
  await pass(10_000)
  socket().open()
  expect(c.now().transport).toBe("websocket")
})

test("a server that is down is tried by each transport, then waited for, and the best one is first again", async () => {
  const c = await client()
  for (let i = 1; i <= 3; i++) {
    socket().cut()
    await pass()
    asked().refuse(502)
    await pass()
    asked().fail(new TypeError("refused"))
    await pass()
    expect(c.now()).toMatchObject({ state: "waiting", reason: "unreachable", retryAt: Date.now() + 500 * 2 ** (i - 1) })
    await pass(500 * 2 ** (i - 1))
    expect(Socket.all).toHaveLength(i + 1)
  }
})

test("where there is no WebSocket, as in Node 20, it is Server-Sent Events", async () => {
  vi.stubGlobal("WebSocket", undefined)
  const c = await client()
  asked().open()
  await pass()
  expect(c.now()).toMatchObject({ state: "open", transport: "sse" })
})

test("a frame is read whatever pieces it comes in", async () => {
  const c = await client({ transports: ["sse"] })
  const data = { text: "a\u2028b: ü", n: 1 }
  const text = `: a comment\nretry: 2000\nid: c0\ndata: {"type":"weft.open","data":{"connection":"k"}}\n\nid: c1\r\ndata: {"id":"c1","event":"e1","subject":"topic.a",\r\ndata: "data":${JSON.stringify(data)}}\r\n\r\n`
  const bytes = new TextEncoder().encode(text)
  asked().begin()
  for (const b of bytes) (asked() as any).stream.enqueue(new Uint8Array([b]))
  await pass()
  expect(c.events.map(e => e.data)).toEqual([data])
})

test("what is no answer of Weft's, as of the login page of a hotel, is no connection", async () => {
  const c = await client({ transports: ["sse", "poll"] })
  asked().answer("<html>\n\nWelcome!</html>")
  await pass()
  asked().answer("<html>Welcome!</html>")
  await pass()
  expect(c.now().state).toBe("waiting")
})

test("polls hand on events, resets and presence, and come back from where they are", async () => {
  const c = await client({ transports: ["poll"], subjects: ["topic.a"], since: "1h" })
  expect(asked().url.searchParams.get("since")).toBe("1h")
  asked().answer(poll([event(1)], { resets: [{ subjects: ["topic.a"], reason: "trimmed" }] }))
  await pass()
  expect(c.resets).toEqual([{ subjects: ["topic.a"], reason: "trimmed" }])
  expect(asked().url.searchParams.get("last_event_id")).toBe("c1")
  expect(asked().url.searchParams.get("wait")).toBe("15s")
  await pass(15_000)
  asked().answer(poll([event(2)]))
  await pass()
  expect(c.ids()).toEqual(["e1", "e2"])
})

test("a poll waits no longer than its token is good for, so that the next one brings the new one", async () => {
  const good = () => jwt({ sub: "ann", exp: Date.now() / 1000 + 30 })
  const c = await client({ transports: ["poll"], token: good })
  asked().answer(poll())
  await pass()
  expect(asked().url.searchParams.get("wait")).toBe("15s")
  await pass(15_000)
  asked().answer(poll())
  await pass()
  asked().answer(poll([event(1)])) // at half of its life the token is another one
  await pass()
  expect(asked().url.searchParams.get("wait")).toBe("15s")
  const short = await client({ transports: ["poll"], token: jwt({ sub: "ann", exp: Date.now() / 1000 + 6 }) })
  asked().answer(poll())
  await pass()
  expect(asked().url.searchParams.get("wait")).toBe("5s")
  expect([c.now().state, short.now().state]).toEqual(["open", "open"])
})

test("a poll that is answered at once with nothing, as by a node that stops, is not a storm", async () => {
  await client({ transports: ["poll"] })
  for (let i = 0; i < 20; i++) {
    asked().answer(poll())
    await pass(100)
  }
  expect(Request.all.length).toBeLessThan(8)
})

test("a browser whose clock is hours ahead polls no more often", async () => {
  await client({ transports: ["poll"], token: () => jwt({ exp: Date.now() / 1000 - 7200 }) })
  asked().answer(poll())
  await pass()
  expect(asked().url.searchParams.get("wait")).toBe("15s")
})

test("what a WebSocket asks for is answered at once where a proxy makes a poll of it", async () => {
  await client()
  expect(socket().url.searchParams.get("wait")).toBe("0s")
})

test("a transport that opens and is cut each time soon is passed by", async () => {
  const c = await client()
  for (let i = 0; i < 20 && !Request.all.length; i++) {
    if (!socket().closed) {
      socket().open()
      socket().cut()
    }
    await pass(1000)
  }
  expect(Socket.all).toHaveLength(4)
  asked().open()
  await pass()
  expect(c.now()).toMatchObject({ state: "open", transport: "sse" })
})

test("however much comes while another transport opens, in whatever order it comes there, each comes once", async () => {
  const c = await client()
  socket().cut()
  await pass()
  asked().open()
  await pass(10_000)
  const n = Array.from({ length: 5000 }, (_, i) => i)
  asked().say(...n.map(i => event(i)))
  await pass()
  socket().open()
  socket().say(...n.filter(i => i % 2).map(i => event(i)), ...n.filter(i => !(i % 2)).map(i => event(i)), event(5000))
  expect(c.ids()).toHaveLength(5001)
  for (let i = 5001; i < 20_000; i++) socket().say(event(i))
  socket().say(event(20_000 - 2001))
  expect(c.ids()).toHaveLength(20_001)
})

test("an answer to a poll that is long in coming over a slow line is no silence, unless no more of it comes", async () => {
  const c = await client({ transports: ["poll"], subjects: ["topic.a"] })
  const pieces = JSON.stringify(poll([event(1, { data: "x".repeat(900) }), event(2)])).match(/.{1,150}/g)!
  const slowly = async (pieces: string[]) => {
    const slow = asked()
    slow.begin()
    for (const piece of pieces) {
      slow.text(piece)
      await pass(9000)
    }
    return slow
  }
  expect(pieces.length).toBeGreaterThan(7)
  const first = await slowly(pieces)
  expect(first.aborted).toBe(false)
  expect(c.names()).toEqual(["connecting", "open"])
  first.end()
  await pass()
  expect(c.ids()).toEqual(["e1", "e2"])
  expect(asked().url.searchParams.get("last_event_id")).toBe("c2")
  const second = await slowly(pieces.slice(0, 4))
  expect(second.aborted).toBe(false)
  await pass(20_000)
  expect(second.aborted).toBe(true)
  expect(c.states.find(s => s.reason)).toMatchObject({ state: "waiting", reason: "silent" })
})
