// Publishing: stored once, whatever happens to the answers.
import { expect, test, vi } from "vitest"
import { asked, client, pass, Request } from "./stage"

const settled = (p: Promise<string>) => p.then(id => id, e => "error " + e.code)
const key = (r: Request) => r.headers["Idempotency-Key"]

test("an event is published, with the token, and its id told", async () => {
  const c = await client({ token: "t" })
  const id = settled(c.weft.publish("topic.chat", { text: "hi" }, { type: "said" }))
  await pass()
  expect(String(asked().url)).toBe("https://weft.example/_weft/v1/events?subject=topic.chat&type=said")
  expect(asked()).toMatchObject({ method: "POST", headers: { Authorization: "Bearer t", "Content-Type": "application/json" } })
  expect(asked().init.body).toBe('{"text":"hi"}')
  asked().answer({ ids: ["7"] }, 202)
  expect(await id).toBe("7")
})

test("what is unknown to be stored is sent again as the same", async () => {
  const c = await client()
  const id = settled(c.weft.publish("topic.chat", 1))
  await pass()
  asked().fail(new TypeError("cut"))
  await pass(500)
  asked().refuse(503, "store_unavailable", { "Retry-After": "2" })
  await pass(1999)
  expect(Request.all).toHaveLength(2)
  await pass(1)
  asked().answer("<html>", 502)
  await pass(2000)
  asked().answer({ ids: ["7"] }, 202)
  expect(await id).toBe("7")
  expect(new Set(Request.all.map(key)).size).toBe(1)
  const other = settled(c.weft.publish("topic.chat", 1))
  await pass()
  expect(key(asked())).not.toBe(key(Request.all[0]))
  asked().answer({ ids: ["8"] }, 202)
  expect(await other).toBe("8")
})

test.each([[403, "forbidden"], [422, "bad_event"], [413, undefined]])("what waiting does not mend fails at once: %i %s", async (status, code) => {
  const c = await client()
  const id = settled(c.weft.publish("topic.chat", 1))
  await pass()
  asked().refuse(status, code)
  expect(await id).toBe("error " + (code ?? "status " + status))
})

test("an expired token is replaced once", async () => {
  let n = 0
  const c = await client({ token: () => "t" + n++ })
  const id = settled(c.weft.publish("topic.chat", 1))
  await pass()
  asked().refuse(401, "token_expired")
  await pass(500)
  expect(asked().headers.Authorization).toBe("Bearer t1")
  asked().refuse(401, "token_expired")
  expect(await id).toBe("error token_expired")
})

test("it is given up before a repetition could be stored twice", async () => {
  const c = await client()
  const id = settled(c.weft.publish("topic.chat", 1))
  const begun = Date.now()
  let last = begun
  for (let i = 0; i < 200; i++) {
    await pass(1000)
    if (asked().init.method === "POST") {
      last = Date.now()
      asked().fail(new TypeError("no"))
    }
  }
  expect(await id).toBe("error unreachable")
  expect(last - begun).toBeGreaterThan(60_000)
})

test("who publishes without tokens is named", async () => {
  const c = await client({ user: "ann" })
  c.weft.publish("user.bob", 1)
  await pass()
  expect(asked().url.search).toBe("?subject=user.bob&publisher=ann")
  asked().answer({ ids: ["7"] }, 202)
})

test("a page that slept does not send what could be stored twice", async () => {
  const c = await client()
  const id = settled(c.weft.publish("topic.chat", 1))
  await pass()
  asked().fail(new TypeError("cut"))
  await pass()
  vi.setSystemTime(Date.now() + 3_600_000) // asleep, while it waits to try again
  await pass(1000)
  expect(await id).toBe("error unreachable")
  expect(Request.all).toHaveLength(1)
})

test("whatever the waits, nothing is sent when a repetition is not known as one any more", async () => {
  for (const random of [0, 0.3, 0.6, 0.99]) {
    vi.mocked(Math.random).mockReturnValue(random)
    const c = await client()
    const begun = Date.now(), id = settled(c.weft.publish("topic.chat", 1))
    let last = begun, n = 0
    for (let i = 0; i < 150; i++) {
      await pass(1000)
      const sent = Request.all.filter(r => r.method === "POST")
      if (sent.length === n) continue
      n = sent.length
      last = Date.now()
      sent[n - 1].fail(new TypeError("no"))
    }
    Request.all = []
    expect(await id).toBe("error unreachable")
    expect(last - begun).toBeLessThan(92_000)
  }
})
