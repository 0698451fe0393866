// The client of Weft for browsers and Node; docs/browser.md shows how it is used.

import { nameOf } from "./link"
import { later } from "./later"
import { follow } from "./shared"
import { tokens } from "./token"
import type { Off, Options, Presence, State, Wanted, Weft } from "./types"
import { typed, wants } from "./wanted"

export type * from "./types"

// A user as it is written in a subject.
const escaped = (user: string) => encodeURIComponent(user).replace(/[^\w%-]/g, c => "%" + c.charCodeAt(0).toString(16).toUpperCase()).replaceAll("%", "=")

const report = (err: unknown) => (globalThis.reportError ?? console.error)(err)

// A change of what is followed, which waits for its turn.
type Change = [make: (to: Map<string, Wanted>) => void, done: () => void, fail: (e: unknown) => void]

/** Follows events until it is closed. */
export function connect(options: Options = {}): Weft {
  const here = import.meta.url
  const url = new URL("/_weft/v1/events", options.url ?? (here?.includes("/_weft/") ? here : location.href))
  const token = tokens(options)
  let subjects = new Map((options.subjects ?? []).map(s => [nameOf(s), s]))
  let state: State = { state: "connecting" }
  const presence = new Map<string, Presence | undefined>() // what is followed, and the last state
  const handlers = new Set<[of: string, then: (what: any) => void, type?: string]>()

  // A handler that fails must not keep the others from what came.
  const call = (then: (what: any) => void, what: unknown) => {
    try {
      then(what)
    } catch (err) {
      report(err)
    }
  }
  const emit = (of: string, what: unknown, type?: string) => {
    for (const [its, then, pattern] of [...handlers]) if (its === of && (!pattern || typed(pattern, type))) call(then, what)
  }
  const add = (...handler: [string, (what: any) => void, string?]): Off => {
    handlers.add(handler)
    return () => handlers.delete(handler)
  }
  const source = follow(url, options, token, [...subjects.values()], {
    frame(f) {
      const { type, data, subject } = f
      if (state.state === "closed") return
      if (subject) wants(subjects.values(), options.types, f) && emit("event", f, type)
      else if (type === "weft.presence") {
        const of = "presence." + (data.topic ? "topic." + data.topic : escaped(data.user))
        if (presence.has(of)) presence.set(of, data)
        emit(of, data)
      } else {
        if (type === "weft.unsubscribed") for (const s of data.subjects) subjects.delete(s), presence.delete(s)
        emit(type!, data)
      }
    },
    state: s => emit("state", (state = s)),
  })

  // What waits is asked for at once; one by one when that is refused, since one may be to blame.
  const queue: Change[] = []
  let turn = Promise.resolve()
  const ask = async (changes: Change[]) => {
    const next = new Map(subjects)
    try {
      for (const [make] of changes) make(next)
      await source.follow([...next.values()])
      subjects = next
      for (const [, done] of changes) done()
    } catch (e) {
      if (changes[1]) for (const c of changes) await ask([c])
      else changes[0][2](e)
    }
  }
  const change = (make: Change[0]) => {
    const made = new Promise<void>((...both) => queue.push([make, ...both]))
    made.catch(() => {}) // who does not wait does not mind
    turn = turn.then(() => { if (queue[0]) return ask(queue.splice(0)) })
    return made
  }

  return {
    on: (type, then) => add("event", then, type),
    onReset: then => add("weft.reset", then),
    onUnsubscribed: then => add("weft.unsubscribed", then),
    onState(then) {
      call(then, state)
      return add("state", then)
    },
    onPresence(subject, then) {
      const of = "presence." + (/^(user|topic)\./.test(subject) ? subject.replace("user.", "") : escaped(subject))
      if (!presence.has(of)) {
        presence.set(of, undefined)
        change(to => to.set(of, of)).catch(e => presence.delete(of) && state.state !== "closed" && report(e))
      }
      if (presence.get(of)) call(then, presence.get(of))
      const off = add(of, then)
      return () => {
        off()
        if ([...handlers].some(([its]) => its === of) || !presence.delete(of)) return
        change(to => to.delete(of))
      }
    },
    subscribe: (...more) => change(to => { for (const s of more) to.set(nameOf(s), s) }),
    unsubscribe: (...less) => change(to => { for (const s of less) to.delete(s) }),
    publish: async (subject, data, more) => (await later()).publish(url, token, { subject, type: more?.type, publisher: options.user }, data),
    get state() { return state },
    close: () => source.close(),
  }
}
