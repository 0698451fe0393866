// Publishing, safe to be tried again: the key of the request is the same each time, so that the
// event is stored once (docs/publishing.md).

import { at, backOff, type Ending, failure, outdated, refusal, request, sleep, unreachable } from "./link"
import type { Tokens } from "./token"

const patience = 90_000 // a repetition is known as one for two minutes

/** Publishes, and is done when it is stored; resolves with the id of the event. */
export async function publish(url: URL, tokens: Tokens, query: Record<string, string | undefined>, data: unknown): Promise<string> {
  const until = Date.now() + patience, body = JSON.stringify(data) // which may fail
  const headers = { "Content-Type": "application/json", "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") }
  for (let tries = 0, fresh = false; ; ) {
    let e: Ending = unreachable
    try {
      const r = await request(at(url, url, Object.entries(query)), await tokens.get(fresh), { method: "POST", body, headers, signal: AbortSignal.timeout(15_000) })
      if (r.ok) return (await r.json()).ids[0]
      e = await refusal(r)
    } catch {}
    fresh = outdated(e) && !fresh
    const isFinal = !fresh && (e.reconnect === false || /^status 4/.test(e.reason))
    if (!isFinal) await sleep(Math.min(until - Date.now(), backOff(tries++, e.retry)))
    if (isFinal || Date.now() >= until) throw failure(e.reason, e.detail)
  }
}
