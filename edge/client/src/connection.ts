// One connection to Weft that comes back by itself: which transport, which token, when to try
// again, where it stands. What is shared between tabs is above it (tabs.ts), how bytes come
// below it (link.ts).

import { type Ask, type Ending, type Frame, kinds, type Link, type Open } from "./link"
import { openPoll } from "./poll"
import { openSSE } from "./sse"
import type { Options, State, TransportName, Wanted } from "./types"
import { openWebSocket } from "./websocket"

const openers: Record<TransportName, Open> = { websocket: openWebSocket, sse: openSSE, poll: openPoll }

/** Where a connection tells what happens. */
export interface Sink {
  /** An event, weft.open, weft.reset, weft.presence, weft.unsubscribed, or weft.keepalive, whose
   * id, if it has one, is a place to come back to as any other. Each event once. */
  frame(f: Frame): void
  state(s: State): void
}

/** What follows events: a Connection, or a tab that shares one. */
export interface Source {
  /** Follow exactly these, beside what the token brings. */
  follow(subjects: Wanted[]): Promise<void>
  publish(body: { subject: string; type?: string; data: unknown }): Promise<string>
  close(): void
}

const openTime = 10_000 // a link that has not opened then does not
const remembered = 2000 // ids of events, by which doubles are told

/** Opens a connection, and keeps it open until it is closed. It begins at the cursor, if there
 * is one. */
export function connection(url: URL, options: Options, subjects: Wanted[], sink: Sink, cursor?: string): Source {
  const mine = options.transports ?? kinds
  const seen = new Set<string>()
  let link: Link | undefined, token: string | undefined
  let kind = mine[0]
  let attempt = 0
  let asked = false // for a new token, since the last one that was good
  let heard = 0
  let keepalive = 25_000
  let opened = false
  let over = false
  let timer: ReturnType<typeof setTimeout> | undefined

  async function open(fresh = false) {
    if (over) return
    sink.state({ state: "connecting" })
    try {
      const of = options.token
      if (typeof of !== "function") token = of
      else if (fresh || !token) token = await of()
    } catch {
      return wait({ reason: "token_unavailable" })
    }
    if (over) return
    const { types, since, device, user } = options
    const query: [string, string][] = (types ?? []).map(t => ["type", t])
    for (const [name, value] of Object.entries({ since: cursor ? undefined : since, device, user })) if (value) query.push([name, value])
    const ask: Ask = { url, token, subjects, query, cursor }
    opened = false
    link = openers[kind](ask, f => take(f), e => ended(e))
    watch(openTime)
  }

  function take(f: Frame) {
    heard = Date.now()
    switch (f.type) {
      case "weft.open":
        opened = true
        attempt = 0
        asked = false
        keepalive = (f.data.keepalive ?? 25) * 1000
        watch(2.5 * keepalive)
        sink.state({ state: "open", transport: kind })
        sink.frame(f)
        break
      case "weft.close":
        break
      case "weft.expiring":
        refresh()
        break
      default:
        if (!f.event || once(f.event)) sink.frame(f)
    }
    if (f.id) cursor = f.id
  }

  function once(event: string): boolean {
    if (seen.has(event)) return false
    seen.add(event)
    if (seen.size > remembered) seen.delete(seen.values().next().value!)
    return true
  }

  async function refresh() {
    const of = options.token
    if (typeof of !== "function") return
    token = await of()
    await link?.command({ token })
  }

  // watch gives a link up that says nothing for so long.
  function watch(ms: number) {
    clearTimeout(timer)
    timer = setTimeout(() => {
      const rest = heard + ms - Date.now()
      if (opened && rest > 0) return watch(rest)
      link?.close()
      ended({ reason: opened ? "silent" : "unreachable" })
    }, ms)
  }

  function ended(e: Ending) {
    if (over) return
    clearTimeout(timer)
    if (e.status === 401 || e.status === 4401 || e.reason === "expired") {
      if (!asked && typeof options.token === "function") {
        asked = true
        return void open(true)
      }
      return finish(e)
    }
    if (e.status === 403 || e.status === 4403 || e.status === 400 || e.reconnect === false) return finish(e)
    if (!opened) fallBack()
    wait(e)
  }

  function fallBack() {
    kind = mine[(mine.indexOf(kind) + 1) % mine.length]
  }

  function wait(e: Ending) {
    const ms = Math.max(e.retry ?? 0, Math.min(30_000, 500 * 2 ** attempt++) * (0.5 + Math.random()))
    sink.state({ state: "waiting", reason: e.reason, detail: e.detail, retryAt: Date.now() + ms })
    timer = setTimeout(() => open(), ms)
  }

  function finish(e: Ending) {
    over = true
    clearTimeout(timer)
    sink.state({ state: "closed", reason: e.reason, detail: e.detail })
  }

  open()
  return {
    async follow(next) {
      subjects = next
      if (!opened || !link) return
      const answer = await link.command({ set: next })
      if (answer.error) throw failure(answer.error)
    },
    publish: body => publish(url, token, body),
    close() {
      if (over) return
      link?.close()
      finish({ reason: "closed" })
    },
  }
}

/** Publishes, and is done when it is stored; resolves with the id of the event. */
export async function publish(url: URL, token: string | undefined, body: { subject: string; type?: string; data: unknown }): Promise<string> {
  const u = new URL(url)
  u.searchParams.set("subject", body.subject)
  if (body.type) u.searchParams.set("type", body.type)
  const r = await fetch(u, {
    method: "POST",
    body: JSON.stringify(body.data),
    headers: { "Content-Type": "application/json", ...(token && { Authorization: "Bearer " + token }) },
    credentials: token ? "same-origin" : "include",
  })
  const answer = await r.json().catch(() => ({}))
  if (!r.ok) throw failure({ code: answer.code ?? "status " + r.status, detail: answer.detail ?? "" })
  return answer.ids[0]
}

/** The error that a refusal of the server is. */
export const failure = (e: { code: string; detail: string }) => Object.assign(new Error(e.detail || e.code), { code: e.code })
