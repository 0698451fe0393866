// One connection to Weft that comes back by itself: which transport, which token, when to try
// again, where it stands. What is shared between tabs is above it (tabs.ts), how bytes come
// below it (link.ts).

import { type Ask, backOff, type Ending, failure, type Frame, type Link, lost, nameOf, type Open, outdated, sleep, unreachable } from "./link"
import { later, laterOpen } from "./later"
import { isNewOf } from "./seen"
import { stored } from "./storage"
import { claims, type Tokens } from "./token"
import type { Options, State, TransportName, Wanted } from "./types"
import { openWebSocket } from "./websocket"

/** The transports, the best first. */
export const openers: Record<TransportName, Open> = { websocket: openWebSocket, sse: laterOpen("sse"), poll: laterOpen("poll") }

/** Where a connection tells what happens. */
export interface Sink {
  /** An event, weft.open, weft.reset, weft.presence, weft.unsubscribed, or weft.keepalive, whose
   * id, if it has one, is a place to come back to as any other. Each event once. */
  frame(f: Frame): void
  state(s: State): void
}

/** What follows events: a connection, or a tab that shares one. */
export interface Source {
  /** Follow exactly these, beside what the token brings. Done when it is in force; fails with a
   * WeftError when it is refused, and then nothing has changed. One at a time. */
  follow(subjects: Wanted[]): Promise<void>
  close(): void
}

const openTime = 10_000 // a link that has not opened then does not
const day = 86_400_000

/** Opens a connection, and keeps it open until it is closed. It begins at the cursor, if there
 * is one; via are its transports. */
export function connection(url: URL, options: Options, tokens: Tokens, subjects: Wanted[], sink: Sink, cursor?: string, via: Record<string, Open> = openers): Source {
  const { types, since, device, user, persist, token } = options
  const mine = (options.transports ?? (Object.keys(via) as TransportName[])).filter(k => k !== "websocket" || globalThis.WebSocket)
  const isNew = isNewOf(), events = new AbortController(), key = "weft " + url.origin
  const dials = new Set<() => void>() // gives up what is being opened
  const waiting: (() => void)[] = [] // for the connection to be open, or closed
  let who: string | undefined // Weft takes this to be
  let place: string, link: Link | undefined, state: State["state"] = "connecting"
  let round = 0 // of attempts to open: what an older one waits for comes to nothing
  let attempt = 0 // to back off by
  let stale = false // the token is refused
  let asked = false // for another one, since the last that was good
  let heard = 0, opened = 0, keepalive = 0, passed = false // more than the beginning came through
  let until = 0 // the server said so
  let pause = 10_000, turn = 0 // when a better transport is tried, and which of them: in turn
  let timer: ReturnType<typeof setTimeout>, better: typeof timer, renewal: typeof timer

  const [name, at] = (stored("local", key) ?? "").split(" ")
  let good = Math.max(0, +at > Date.now() - day ? mine.indexOf(name as TransportName) : 0), kind = good // of mine

  const isOpen = () => state === "open"
  const isOffline = () => globalThis.navigator?.onLine === false
  // tell says how it is: revoked and expired have one word each, whether at the door or later.
  const tell = (name: typeof state, e?: Ending, more?: object) => sink.state({ state: (state = name), reason: e?.reason.replace(/^token_(?=ex|re)/, ""), detail: e?.detail, ...more })
  const typed = () => subjects.some(w => w !== nameOf(w))

  // dial opens a link, which takes the place of the one that is there when it is open: what
  // both bring is told by the event's id. It tells once how it went; nothing is well. From then on
  // the end of the link is the end of the connection, unless another has taken its place.
  function dial(i: number, wanted: Wanted[], told: (e?: Ending) => void) {
    let own: Link | undefined, done = false
    const settle = (e?: Ending) => {
      done = true
      clearTimeout(limit)
      dials.delete(give)
      told(e)
    }
    const give = (e = lost) => {
      own?.close()
      if (!done) settle(e)
      else if (own === link) ended(e)
    }
    const limit = setTimeout(give, openTime, unreachable)
    dials.add(give)
    const query: Ask["query"] = [["since", cursor ? "" : since], ["device", device], ["user", user]]
    // Where a subject has types of its own, those of all would hide them.
    if (!typed()) for (const t of types ?? []) query.push(["type", t])
    try {
      own = via[mine[i]]({ url, token: tokens.now, subjects: wanted, query, cursor }, (f, twice) => {
        if (!done && f.type === "weft.open") {
          link?.close()
          link = own
          kind = good = i
          round++
          settle()
          for (const give of dials) give()
          const other = subjects !== wanted
          if (other || typed()) own!.command({ set: subjects, last_event_id: cursor }).then(e => e && other && give())
        }
        if (own === link) take(f, twice)
      }, give)
    } catch {
      give(unreachable)
    }
  }

  // open asks for a token where there is none that is good, and dials. What goes on while it waits
  // for the page's function may have opened another link, or closed all.
  async function open() {
    const my = ++round
    until = 0
    if (state !== "connecting" && !isOffline()) tell("connecting")
    const failed = await tokens.get(stale || claims(tokens.now).exp! * 1000 < Date.now()).then(() => (stale = false), () => true)
    if (my !== round) return
    if (failed) return wait({ reason: "token_unavailable" })
    const { sub } = plan()
    place = key + JSON.stringify([sub ?? user, options.subjects, types])
    cursor ??= stored(persist, place)
    dial(kind, subjects, e => e && my === round && ended(e))
  }

  // take learns from a frame and hands it on. The place moves last: an event that no handler has had
  // must come again.
  function take(f: Frame, twice?: boolean) {
    const { type, id, event, data } = f
    heard = Date.now()
    passed ||= heard - opened > keepalive / 2
    if (type === "weft.open") {
      // Of somebody else nothing may reach a page that shows what is the first one's.
      // A poll is told no user.
      const its = data.user ?? ""
      if (data.connection && (who ??= its) !== its) return finish({ reason: "user_mismatch" })
      opened = heard
      asked = passed = false
      keepalive = (data.keepalive ?? 25) * 1000
      if (mine[1]) stored("local", key, mine[kind] + " " + heard)
      clearTimeout(better)
      if (kind) better = setTimeout(improve, pause)
      watch()
      tell("open", undefined, { transport: mine[kind] })
      wake()
      later().catch(() => {}) // while there is a network
    } else if (type === "weft.expiring") plan(data.in)
    else if (type === "weft.unsubscribed") subjects = subjects.filter(w => !data.subjects.includes(nameOf(w)))
    if (isNew(event, twice || dials.size)) sink.frame(f)
    if (id && data?.resume !== "reset") { // which is still to come, else a cut now would hide it
      cursor = id
      if (persist) stored(persist, place, id)
    }
  }

  const wake = () => waiting.splice(0).forEach(then => then())

  // watch gives a link up that says nothing for so long.
  function watch() {
    const rest = 2.5 * keepalive - Math.abs(Date.now() - heard) // clocks are set back, too
    clearTimeout(timer)
    if (rest > 0) timer = setTimeout(watch, rest)
    else ended({ reason: "silent" })
  }

  // improve tries a better transport while this one goes on.
  function improve() {
    pause = Math.min(pause * 3, day / 48)
    dial(turn++ % kind, subjects, e => {
      if (e && isOpen()) better = setTimeout(improve, pause)
    })
  }

  // ended decides what follows the end of a link: nothing, another token, another transport at
  // once, or the same after a wait.
  function ended(e: Ending) {
    const was = isOpen()
    stop()
    if (was && heard - opened > openTime) attempt = 0
    const late = outdated(e)
    if (late ? asked || typeof token === "string" : e.reconnect === false) return finish(e)
    if (late) asked = stale = true
    // Nobody of Weft has spoken: perhaps somebody between does not let this transport through, or
    // not for long.
    if (e.reconnect === undefined && (!was || attempt > 2 || (e.reason === "silent" && !passed))) {
      if (++kind < mine.length) return void open()
      kind = good
    }
    wait(e, was)
  }

  function wait(e: Ending, was?: boolean) {
    const now = Date.now()
    if (e.retry) until = now + Math.min(day, e.retry) // timers have no more than 25 days
    // Who says when is asked then, unless it lets in only to send away.
    const ms = backOff(e.retry && !was ? 0 : attempt++, until - now), retryAt = now + ms
    timer = setTimeout(open, ms)
    tell(isOffline() ? "offline" : "waiting", e, { retryAt })
  }

  // stop ends what is there and what is being opened.
  function stop() {
    round++
    link?.close()
    link = undefined
    for (const give of dials) give()
    clearTimeout(timer)
    clearTimeout(better)
  }

  function finish(e: Ending) {
    stop()
    clearTimeout(renewal)
    events.abort()
    tell("closed", e)
    wake()
  }

  // plan has the token renewed before its end, which is in so many seconds, or as it says.
  function plan(seconds?: number) {
    const said = claims(tokens.now), ms = (seconds ?? said.exp! - Date.now() / 1000) * 1000
    clearTimeout(renewal)
    if (ms > 0 && state !== "closed" && typeof token === "function") renewal = setTimeout(renew, Math.min(day, Math.max(1000, ms - Math.min(60_000, ms / 2))))
    return said
  }

  // renew shows a new token to the link that is open, or opens one with it where that cannot be.
  async function renew() {
    const old = tokens.now
    try {
      const now = await tokens.get(true)
      plan()
      if (!isOpen() || (now && now === old)) return
      // The cookie is a new one; or a poll waits that would end with the old token.
      if (!now || mine[kind] === "poll") return dial(kind, subjects, () => {})
      const no = await link!.command({ token: now })
      if (no?.reason === "user_mismatch") finish(no) // somebody else has signed in
    } catch {
      plan(10)
    }
  }

  function again() {
    stop()
    open()
  }

  // look checks at once what a timer would find later, or never in a page that slept.
  function look({ type }: Event) {
    const online = type === "online" // by another network, perhaps
    if (online) attempt = 0, pause = 10_000
    if (/off|hide/.test(type)) {
      stop()
      wait({ reason: type })
    } else if (isOpen() ? online || Date.now() - heard > 1.5 * keepalive : Date.now() >= until && (online || state !== "connecting")) again()
  }
  for (const type of ["online", "offline", "pageshow", "pagehide", "visibilitychange", "resume"]) globalThis.addEventListener?.(type, look, { capture: true, signal: events.signal })

  open()
  return {
    async follow(next) {
      for (;;) {
        if (state === "closed") throw failure(state)
        if (!isOpen()) await new Promise<void>(then => waiting.push(then))
        else {
          let no = mine[kind] === "poll" ? { reason: "status" } : await link!.command({ set: next })
          // Who has shown no token cannot change a connection, and a poll is none: another takes its place.
          if (no && /^(status|token_m|not_f|user_m)/.test(no.reason)) no = await new Promise<Ending | void>(then => dial(kind, next, e => then(e ?? void (subjects = next))))
          if (!no) return void (subjects = next)
          if (/^(forb|bad_|lim)/.test(no.reason)) throw failure(no.reason, no.detail)
          await sleep(1000)
        }
      }
    },
    close() {
      if (state !== "closed") finish({ reason: "closed" })
    },
  }
}
