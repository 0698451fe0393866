// Long polling: ask, wait for the answer, ask again with its last id. What is answered is
// handed on as the frames that a connection would have sent.

import { address, type Ending, type Open, refusal, request } from "./link"

export const openPoll: Open = (ask, frame, ended) => {
  const over = new AbortController()
  const end = (e: Ending) => {
    if (over.signal.aborted) return
    over.abort()
    ended(e)
  }
  const poll = async () => {
    let presence: string | undefined
    for (let first = true; !over.signal.aborted; first = false) {
      const more: [string, string][] = first ? [["wait", "0s"]] : [["wait", "25s"]]
      if (presence) more.push(["presence", presence])
      const r = await request(address(ask, more), ask, { headers: { Accept: "application/json" }, signal: over.signal })
      if (!r.ok) return end(await refusal(r))
      const answer = await r.json()
      if (over.signal.aborted) return
      presence = answer.presence_id ?? presence
      if (first) frame({ type: "weft.open", data: {} })
      for (const data of answer.resets ?? []) frame({ type: "weft.reset", data })
      for (const data of answer.presence ?? []) frame({ type: "weft.presence", data })
      for (const f of answer.events) frame(f)
      ask.cursor = answer.last_event_id
      frame({ type: "weft.keepalive", id: ask.cursor })
      if (answer.close) return end(answer.close)
    }
  }
  poll().catch(() => end({ reason: "unreachable" }))

  return {
    async command(c: any) { // the next poll says it all
      if (c.token) ask.token = c.token
      if (c.set) ask.subjects = c.set
      return { ok: true }
    },
    close: () => over.abort(),
  }
}
