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
  /** An event, weft.open, weft.reset, weft.presence, or weft.unsubscribed. Each event once. */
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

/** connect opens a connection, and keeps it open until it is closed. */
export class Connection implements Source {
  private link?: Link
  private cursor?: string
  private token?: string
  private kind: TransportName
  private seen = new Set<string>()
  private attempt = 0
  private asked = false // for a new token, since the last one that was good
  private heard = 0
  private keepalive = 25_000
  private opened = false
  private timer?: ReturnType<typeof setTimeout>
  private over = false

  constructor(private url: URL, private options: Options, private subjects: Wanted[], private sink: Sink) {
    this.kind = (options.transports ?? kinds)[0]
    this.try()
  }

  private async try(fresh = false) {
    if (this.over) return
    this.sink.state({ state: "connecting" })
    try {
      const { token } = this.options
      if (typeof token !== "function") this.token = token
      else if (fresh || !this.token) this.token = await token()
    } catch {
      return this.wait({ reason: "token_unavailable" })
    }
    if (this.over) return
    const { types, since, device, user } = this.options
    const query: [string, string][] = (types ?? []).map(t => ["type", t])
    for (const [name, value] of Object.entries({ since: this.cursor ? undefined : since, device, user })) if (value) query.push([name, value])
    const ask: Ask = { url: this.url, token: this.token, subjects: this.subjects, query, cursor: this.cursor }
    this.opened = false
    this.link = openers[this.kind](ask, f => this.take(f), e => this.ended(e))
    this.watch(openTime)
  }

  private take(f: Frame) {
    this.heard = Date.now()
    switch (f.type) {
      case "weft.open":
        this.opened = true
        this.attempt = 0
        this.asked = false
        this.watch(2.5 * this.keepalive)
        this.sink.state({ state: "open", transport: this.kind })
        this.sink.frame(f)
        break
      case "weft.keepalive":
      case "weft.close":
        break
      case "weft.expiring":
        this.refresh()
        break
      default:
        if (!f.event || this.once(f.event)) this.sink.frame(f)
    }
    if (f.id) this.cursor = f.id
  }

  private once(event: string): boolean {
    if (this.seen.has(event)) return false
    this.seen.add(event)
    if (this.seen.size > remembered) this.seen.delete(this.seen.values().next().value!)
    return true
  }

  private async refresh() {
    const { token } = this.options
    if (typeof token !== "function") return
    this.token = await token()
    await this.link?.command({ token: this.token })
  }

  // watch gives a link up that says nothing for so long.
  private watch(ms: number) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      const rest = this.heard + ms - Date.now()
      if (this.opened && rest > 0) return this.watch(rest)
      this.link?.close()
      this.ended({ reason: this.opened ? "silent" : "unreachable" })
    }, ms)
  }

  private ended(e: Ending) {
    if (this.over) return
    clearTimeout(this.timer)
    if (e.status === 401 || e.status === 4401 || e.reason === "expired") {
      if (!this.asked && typeof this.options.token === "function") {
        this.asked = true
        return void this.try(true)
      }
      return this.finish(e)
    }
    if (e.status === 403 || e.status === 4403 || e.status === 400 || e.reconnect === false) return this.finish(e)
    if (!this.opened) this.fallBack()
    this.wait(e)
  }

  private fallBack() {
    const mine = this.options.transports ?? kinds
    this.kind = mine[(mine.indexOf(this.kind) + 1) % mine.length]
  }

  private wait(e: Ending) {
    const ms = Math.max(e.retry ?? 0, Math.min(30_000, 500 * 2 ** this.attempt++) * (0.5 + Math.random()))
    this.sink.state({ state: "waiting", reason: e.reason, detail: e.detail, retryAt: Date.now() + ms })
    this.timer = setTimeout(() => this.try(), ms)
  }

  private finish(e: Ending) {
    this.over = true
    clearTimeout(this.timer)
    this.sink.state({ state: "closed", reason: e.reason, detail: e.detail })
  }

  async follow(subjects: Wanted[]) {
    this.subjects = subjects
    if (!this.opened || !this.link) return
    const answer = await this.link.command({ set: subjects })
    if (answer.error) throw failure(answer.error)
  }

  async publish(body: { subject: string; type?: string; data: unknown }): Promise<string> {
    const u = new URL(this.url)
    u.searchParams.set("subject", body.subject)
    if (body.type) u.searchParams.set("type", body.type)
    const r = await fetch(u, {
      method: "POST",
      body: JSON.stringify(body.data),
      headers: { "Content-Type": "application/json", ...(this.token && { Authorization: "Bearer " + this.token }) },
      credentials: this.token ? "same-origin" : "include",
    })
    const answer = await r.json().catch(() => ({}))
    if (!r.ok) throw failure({ code: answer.code ?? "status " + r.status, detail: answer.detail ?? "" })
    return answer.ids[0]
  }

  close() {
    if (this.over) return
    this.link?.close()
    this.finish({ reason: "closed" })
  }
}

const failure = (e: { code: string; detail: string }) => Object.assign(new Error(e.detail || e.code), { code: e.code })
