// Server-Sent Events by fetch, which can send a token and tells the status of a refusal
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).

import { at, fetched, type Frame, lost, type Open, refusal, request } from "./link"

export const openSSE: Open = (ask, frame, ended) => {
  let connection: string

  return fetched(ask, ended, async c => {
    try {
      ask.token = c.token ?? ask.token
      const r = await request(at("connections/" + connection, ask.url, ask.query.filter(([name]) => name === "user")), ask.token, { method: "PATCH", body: JSON.stringify(c), signal: AbortSignal.timeout(15_000) })
      if (!r.ok) return await refusal(r)
    } catch {
      return lost
    }
  }, async (get, over) => {
    const reader = (await get([["format", "frame"]], { Accept: "text/event-stream" })).body!.getReader(), decoder = new TextDecoder()
    let rest = "", block: Record<string, string> = {}
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return lost
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/)
      rest = lines.pop()!
      for (const line of lines) {
        const [, field, text] = /^(\w*):? ?(.*)/s.exec(line)!
        if (line) block[field] = (block[field] ?? "") + text
        else {
          const { id, retry, data } = block
          block = {}
          if (!data || over.aborted) continue
          const f: Frame = { id, ...JSON.parse(data) }
          if (f.type === "weft.close") return { retry: +retry || 0, ...f.data }
          connection ??= f.data.connection
          frame(f)
        }
      }
    }
  })
}
