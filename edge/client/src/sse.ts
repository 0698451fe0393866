// Server-Sent Events by fetch, which can send a token and tells the status of a refusal
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).

import { address, type Ending, type Frame, type Open, refusal, request } from "./link"

export const openSSE: Open = (ask, frame, ended) => {
  const over = new AbortController()
  let connection: string | undefined, closing: Ending | undefined, retry: number | undefined

  const end = (e: Ending) => {
    if (over.signal.aborted) return
    over.abort()
    ended(e)
  }
  const take = (data: string, id: string) => {
    const f: Frame = JSON.parse(data)
    if (f.type === "weft.open") connection = f.data.connection
    if (f.type === "weft.close") closing = { ...f.data, retry }
    frame(id && !f.id ? { ...f, id } : f)
  }
  const read = async () => {
    const r = await request(address(ask, [["format", "frame"]]), ask, { headers: { Accept: "text/event-stream" }, signal: over.signal })
    if (!r.ok || !r.body) return end(await refusal(r))
    const reader = r.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = "", data = "", id = ""
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return end(closing ?? { reason: "lost" })
      const lines = (rest + value).split("\n")
      rest = lines.pop()!
      for (const line of lines) {
        if (line.startsWith("data:")) data += line.slice(5)
        else if (line.startsWith("id:")) id = line.slice(3).trim()
        else if (line.startsWith("retry:")) retry = Number(line.slice(6))
        else if (!line && data) {
          if (over.signal.aborted) return
          take(data, id)
          data = id = ""
        }
      }
    }
  }
  read().catch(() => end(closing ?? { reason: "unreachable" }))

  return {
    async command(c) {
      const url = new URL(ask.url.href.replace(/events$/, "connections/" + connection))
      const r = await request(url, { ...ask, token: (c as any).token ?? ask.token }, { method: "PATCH", body: JSON.stringify(c) })
      if (r.ok) return { ok: true, ...(await r.json()) }
      const e = await refusal(r)
      return { error: { code: e.reason, detail: e.detail ?? "" } }
    },
    close: () => over.abort(),
  }
}
