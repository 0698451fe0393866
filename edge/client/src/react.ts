// useWeft follows events for as long as a component is there. It is a module of its own, beside
// the client; React (18 or newer) is the page's.

import { useCallback, useEffect, useRef, useState } from "react"
import { connect } from "./index"
import type { Off, Options, Presence, Reset, State, Unsubscribed, Wanted, Weft, WeftError, WeftEvent } from "./types"

export type * from "./types"

/** What a component follows. Subjects and handlers may be others at each rendering: those of the
 * last one count, and the connection stays. Another one of the rest, a token that is a string
 * among them, is another connection, which begins anew. */
export interface Use extends Options {
  /** Called back with each event, by type: `order.paid`, `order.*`, or `*` for all. */
  on?: Record<string, (e: WeftEvent<any>) => void>
  onReset?: (r: Reset) => void
  onUnsubscribed?: (u: Unsubscribed) => void
  /** Follows who is there, by subject: a topic (`topic.hotel.42`) or a user (`user.ann`). */
  onPresence?: Record<string, (p: Presence) => void>
  /** Another key is another connection: where `token` is a function, say who has signed in. */
  key?: string
}

export interface Used {
  /** How it is now. */
  state: State
  /** Why something of `subjects` was refused to an open connection, such as `forbidden`. */
  error?: WeftError
  /** Publishes an event, as `Weft` does. It is the same function at each rendering. */
  publish: Weft["publish"]
}

/** Follows events while the component is mounted. With null or undefined there is no connection,
 * such as before somebody has signed in. */
export function useWeft(use: Use | null | undefined): Used {
  const [state, tellState] = useState<State>({ state: "connecting" })
  const [error, tellError] = useState<WeftError>()
  const latest = useRef(use)
  const following = useRef<Following>(undefined)

  useEffect(() => {
    latest.current = use
    following.current?.update()
  })
  const same = use && JSON.stringify([use.key, use.url, use.user, use.device, use.types, use.since, use.persist, use.transports, use.shared, typeof use.token === "string" ? use.token : typeof use.token])
  useEffect(() => {
    tellError(undefined)
    if (!same) return tellState(unconnected)
    const one = (following.current = follow(() => latest.current ?? {}, tellState, tellError))
    return () => {
      one.close()
      following.current = undefined
    }
  }, [same])

  const publish = useCallback<Weft["publish"]>(async (...what) => {
    if (!following.current) throw new Error("there is no connection")
    return (await following.current.connected()).publish(...what)
  }, [])
  return { state: use ? state : unconnected, error, publish }
}

const unconnected: State = { state: "closed", reason: "closed" }

interface Following {
  connected(): Promise<Weft>
  update(): void
  close(): void
}

// follow connects, unless it is closed at once: in StrictMode React mounts each component twice,
// in one breath, which must not cost a connection.
function follow(latest: () => Use, tellState: (s: State) => void, tellError: (e?: WeftError) => void): Following {
  let weft: Weft | undefined, over = false
  const types = new Map<string, Off>(), present = new Map<string, Off>()
  let wanted = new Map<string, Wanted>()
  const subjects = () => new Map(latest().subjects?.map(s => [JSON.stringify(s), s]))

  // bring adds what is new of the names, and ends what is no more.
  const bring = (have: Map<string, Off>, names: object | undefined, add: (name: string) => Off) => {
    for (const [name, off] of have) if (!names || !(name in names)) off(), have.delete(name)
    for (const name in names) if (!have.has(name)) have.set(name, add(name))
  }
  const handlers = (weft: Weft) => {
    const { on, onPresence } = latest()
    bring(types, on, type => weft.on(type, e => latest().on?.[type]?.(e)))
    bring(present, onPresence, subject => weft.onPresence(subject, p => latest().onPresence?.[subject]?.(p)))
  }
  const update = () => {
    if (!weft || over) return
    handlers(weft)
    const now = subjects()
    const more = [...now].filter(([name]) => !wanted.has(name)).map(([, s]) => s)
    const kept = new Set([...now.values()].map(nameOf))
    const less = [...wanted.values()].map(nameOf).filter(name => !kept.has(name))
    if (!more.length && !less.length) return
    // It was refused for what it is to follow no more.
    if (weft.state.state === "closed" && /^(forbidden|bad_)/.test(weft.state.reason!)) return void open()
    wanted = now
    const done = [...(less.length ? [weft.unsubscribe(...less)] : []), ...(more.length ? [weft.subscribe(...more)] : [])]
    Promise.all(done).then(() => over || tellError(), e => over || tellError(e))
  }
  const open = () => {
    if (over) throw new Error("the component is gone")
    const use = latest()
    tellError()
    types.clear()
    present.clear()
    wanted = subjects()
    weft = connect({ ...use, token: typeof use.token === "function" ? () => (latest().token as () => string)() : use.token })
    weft.onState(s => over || tellState(s))
    weft.onReset(r => latest().onReset?.(r))
    weft.onUnsubscribed(u => latest().onUnsubscribed?.(u))
    handlers(weft)
  }
  const opened = Promise.resolve().then(open)
  opened.catch(err => over || (globalThis.reportError ?? console.error)(err)) // such as of an address that is none
  return {
    connected: () => opened.then(() => weft!),
    update,
    close() {
      over = true
      weft?.close()
    },
  }
}

const nameOf = (s: Wanted) => (typeof s === "string" ? s : s.subject)
