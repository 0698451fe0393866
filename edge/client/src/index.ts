// The client of Weft for browsers and Node; docs/browser.md shows how it is used.

import { connection } from "./connection"
import type { Frame } from "./link"
import type { Off, Options, Presence, Reset, State, Wanted, Weft, WeftEvent } from "./types"

export type * from "./types"

const path = "/_weft/v1/events"

/** Follows events until it is closed. */
export function connect(options: Options = {}): Weft {
  const here = import.meta.url
  const base = options.url ?? (/^https?:/.test(here) && here.includes("/_weft/") ? here : location.href)
  const subjects = new Map<string, Wanted>()
  const nameOf = (s: Wanted) => (typeof s === "string" ? s : s.subject)
  for (const s of options.subjects ?? []) subjects.set(nameOf(s), s)

  const events = new Set<[(type: string) => boolean, (e: WeftEvent<any>) => void]>()
  const resets = new Set<(r: Reset) => void>()
  const states = new Set<(s: State) => void>()
  const present = new Set<[string, (p: Presence) => void]>()
  let state: State = { state: "connecting" }

  // A handler that fails must not keep the others from what came.
  const call = <T>(then: (what: T) => void, what: T) => {
    try {
      then(what)
    } catch (err) {
      queueMicrotask(() => { throw err })
    }
  }
  const add = <T>(set: Set<T>, one: T): Off => {
    set.add(one)
    return () => set.delete(one)
  }
  const frame = (f: Frame) => {
    if (f.type === "weft.reset") for (const then of [...resets]) call(then, f.data)
    else if (f.type === "weft.presence") {
      const of = "presence." + (f.data.topic === undefined ? f.data.user : "topic." + f.data.topic)
      for (const [subject, then] of [...present]) if (subject === of) call(then, f.data)
    } else if (f.subject) for (const [matches, then] of [...events]) if (matches(f.type ?? "")) call(then, f as WeftEvent)
  }
  const source = connection(new URL(path, base), options, [...subjects.values()], {
    frame,
    state(s) {
      state = s
      for (const then of [...states]) call(then, s)
    },
  })
  const follow = () => source.follow([...subjects.values()])

  return {
    on(type, then) {
      const matches = type === "*" ? () => true : type.endsWith("*") ? (t: string) => t.startsWith(type.slice(0, -1)) : (t: string) => t === type
      return add(events, [matches, then])
    },
    onReset: then => add(resets, then),
    onState(then) {
      call(then, state)
      return add(states, then)
    },
    onPresence(subject, then) {
      const of = "presence." + subject.replace(/^user\./, "")
      const off = add(present, [of, then] as [string, typeof then])
      subjects.set(of, of)
      follow()
      return off
    },
    subscribe(...more) {
      for (const s of more) subjects.set(nameOf(s), s)
      return follow()
    },
    unsubscribe(...less) {
      for (const s of less) subjects.delete(s)
      return follow()
    },
    publish: (subject, data, more) => source.publish({ subject, data, ...more }),
    get state() { return state },
    close: () => source.close(),
  }
}
