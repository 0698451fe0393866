// What the tests of the client have in the place of a browser and a network: WebSockets and
// requests that do what a test says, a page with storage, and a clock.

import { afterEach, beforeEach, vi } from "vitest"
import { connect } from "../src/index"
import "../src/more"
import type { Options, State, Weft, WeftEvent } from "../src/types"

export class Socket {
  static all: Socket[] = []
  onmessage?: (m: { data: string }) => void
  onclose?: (c: { code: number }) => void
  sent: any[] = []
  closed = false
  constructor(public url: URL, public protocols: string[]) {
    Socket.all.push(this)
  }
  send(text: string) { this.sent.push(JSON.parse(text)) }
  close() { this.closed = true }
  /** What the server sends. */
  say(...frames: object[]) { for (const f of frames) this.onmessage?.({ data: JSON.stringify(f) }) }
  open(more = {}) { this.say({ id: "c0", type: "weft.open", data: { connection: "k", subjects: [], resume: "new", keepalive: 10, ...more } }) }
  cut(code = 1006) { this.onclose?.({ code }) }
  /** Answers the last command. */
  answer(error?: { code: string; detail?: string }) { this.say({ ref: this.sent.at(-1).ref, ...(error ? { error } : { ok: true }) }) }
}

export class Request {
  static all: Request[] = []
  private stream?: ReadableStreamDefaultController<Uint8Array>
  private done!: (r: Response) => void
  fail!: (err: unknown) => void
  response: Promise<Response>
  aborted = false
  constructor(public url: URL, public init: RequestInit) {
    this.response = new Promise((done, fail) => Object.assign(this, { done, fail }))
    init.signal?.addEventListener("abort", () => {
      this.aborted = true
      const gone = new DOMException("gone", "AbortError")
      this.fail(gone)
      this.stream?.error(gone)
    })
    Request.all.push(this)
  }
  get method() { return this.init.method ?? "GET" }
  get headers() { return this.init.headers as Record<string, string> }
  get isPoll() { return this.url.searchParams.has("wait") }
  answer(body: object | string, status = 200, headers = {}) {
    this.done(new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers }))
  }
  refuse(status: number, code?: string, headers = {}) { this.answer(code ? { code, detail: "because of " + code } : "<html>", status, { ...(code && { "Content-Type": "application/problem+json" }), ...headers }) }
  /** Begins an answer of Server-Sent Events. */
  begin() { this.done(new Response(new ReadableStream({ start: c => { this.stream = c } }))) }
  text(text: string) { this.stream!.enqueue(new TextEncoder().encode(text)) }
  say(...frames: any[]) { for (const { id, ...f } of frames) this.text(`${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(id ? { id, ...f } : f)}\n\n`) }
  open(more = {}) {
    this.begin()
    this.say({ id: "c0", type: "weft.open", data: { connection: "k", subjects: [], resume: "new", keepalive: 10, ...more } })
  }
  end() { this.stream!.close() }
}

/** What a page has that a test may change. */
export const page = { events: new EventTarget(), fire: (type: string) => page.events.dispatchEvent(new Event(type)) }

const clients: Weft[] = []

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 })
  vi.spyOn(Math, "random").mockReturnValue(0.5) // so that nothing is earlier or later
  Socket.all = []
  Request.all = []
  page.events = new EventTarget()
  vi.stubGlobal("WebSocket", Socket)
  vi.stubGlobal("fetch", (url: URL, init: RequestInit) => new Request(url, init).response)
  vi.stubGlobal("addEventListener", page.events.addEventListener.bind(page.events))
  vi.stubGlobal("navigator", { onLine: true })
  vi.stubGlobal("document", {})
  vi.stubGlobal("localStorage", {})
  vi.stubGlobal("sessionStorage", {})
})
afterEach(() => {
  for (const c of clients.splice(0)) c.close()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

export async function pass(ms = 0) {
  await vi.advanceTimersByTimeAsync(ms)
  await vi.dynamicImportSettled() // of what the client loads later
  await vi.advanceTimersByTimeAsync(0)
}
export const socket = () => Socket.all.at(-1)!
export const asked = () => Request.all.at(-1)!

/** A client, and all that it told. */
export async function client(options: Options = {}) {
  const states: State[] = [], events: WeftEvent<any>[] = [], resets: unknown[] = [], gone: unknown[] = []
  const weft = connect({ url: "https://weft.example", shared: false, ...options })
  clients.push(weft)
  weft.onState(s => states.push(s))
  weft.on("*", e => events.push(e))
  weft.onReset(r => resets.push(r))
  weft.onUnsubscribed(u => gone.push(u))
  await pass()
  return {
    weft, states, resets, gone,
    ids: () => events.map(e => e.event),
    events,
    now: () => states.at(-1)!,
    names: () => states.map(s => s.state),
  }
}

export const event = (n: number, more = {}) => ({ id: "c" + n, event: "e" + n, subject: "topic.a", type: "order.paid", data: n, ...more })
export const poll = (events: object[] = [], more = {}) => ({ events, last_event_id: events.length ? (events.at(-1) as any).id : "c0", reset: false, ...more })

/** A token as far as the client looks into one. */
export const jwt = (claims: object) => "h." + btoa(JSON.stringify(claims)).replace(/=/g, "").replace(/\+/g, "-").replace(/\//g, "_") + ".s"
