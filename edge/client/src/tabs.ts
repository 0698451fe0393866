// One connection for all tabs of an origin that are of the same user with the same grants. Web
// Locks elect the tab that leads and has it: a hub, whose BroadcastChannel tells what comes to all,
// its own tab not excepted. To a tab this is one more transport: a link, opened anew as any is.
//
// What a hub says is numbered, and a new one goes on from the place of its own tab. A link that is
// at that place goes on with it. One that joins, is elsewhere, or misses a number asks the server
// itself: by polls from its own cursor, with its own token. What the hub says meanwhile waits, and
// doubles are told by the events' ids. So no tab depends on what another one remembers, and one that
// was frozen and does not know yet that it leads no more may say what it will.

import type { connection as Connection, Sink, Source } from "./connection"
import type { Group } from "./group"
import { hub } from "./hub"
import { type Ending, lost, type Open } from "./link"
import { seam } from "./seam"
import { linkOf } from "./tablink"
import type { Tokens } from "./token"
import type { Options, State, TransportName, Wanted } from "./types"

export const version = seam

/** Follows events over the connection of all tabs. */
export function share(url: URL, options: Options, tokens: Tokens, wanted: Wanted[], sink: Sink, connection: typeof Connection, openPoll: Open): Source {
  // A frame in a sandbox has no origin, and so no locks, nor an answer of who this is.
  if (globalThis.origin === "null") return connection(url, options, tokens, wanted, sink)
  const links = new Set<(e: Ending) => void>(), events = new AbortController()
  let standing: AbortController | undefined // for election
  let resign: (() => void) | undefined // while this tab leads
  let alone = false
  let own: State["state"], theirs: State = { state: "connecting" } // the link, and the hub's connection
  let shown = ""

  // The link and the hub of a tab that leads renew their tokens at about the same time: by one new
  // one, since who renews by a thing that is good for once would be taken for a thief.
  let asking: Promise<string | undefined> | undefined
  const once = (): Tokens => ({
    now: tokens.now,
    async get(fresh) {
      if (fresh && !asking) {
        const forget = () => { asking = undefined }
        asking = tokens.get(fresh)
        asking.then(() => setTimeout(forget, 1000), forget)
      }
      return (this.now = await (asking ?? tokens.get()))
    },
  })
  const group: Group = {
    url, options, once, wanted, connection, openPoll, key: "",
    final(e) {
      standDown()
      endAll({ ...e, reconnect: false })
    },
  }
  const endAll = (e: Ending) => {
    for (const end of links) end(e)
  }

  // stand stands for election, or takes the lock from a hub that is frozen.
  function stand(steal?: boolean) {
    standDown()
    const my = (standing = new AbortController())
    const lead = () => new Promise<void>(done => {
      if (my !== standing) return done()
      const close = hub(group)
      resign = () => {
        close()
        done()
      }
    })
    navigator.locks.request(group.key, steal ? { steal } : { signal: my.signal }, lead).catch(e => {
      if (my !== standing) return
      if (e.name !== "AbortError") return goAlone() // no storage, no locks
      standDown() // another tab has taken the lock
      stand()
    })
  }
  function standDown() {
    standing?.abort()
    resign?.()
    standing = resign = undefined
  }

  // show shows how it is: as the hub says while the link to it is open.
  function show(s: State) {
    const text = JSON.stringify(s)
    if (text !== shown) sink.state(s)
    shown = text
  }
  const showTheirs = () => show({ ...theirs, shared: !resign })

  let source = connection(url, { ...options, transports: ["tabs" as TransportName] }, once(), wanted, {
    frame: f => alone || sink.frame(f),
    state(s) {
      if (alone) return
      own = s.state
      if (own === "closed") {
        standDown()
        events.abort()
      }
      own === "open" ? showTheirs() : show(s)
    },
  }, undefined, {
    tabs: linkOf({
      group, links, goAlone, leads: () => !!resign,
      enter(key) {
        if (key !== group.key) standDown()
        group.key = key
        if (!standing) stand()
      },
      steal: () => stand(true),
      hubIs(s) {
        theirs = s
        if (own === "open") showTheirs()
      },
    }),
  })

  // goAlone follows by a connection of its own.
  function goAlone() {
    if (alone) return
    alone = true
    standDown()
    events.abort()
    source.close()
    source = connection(url, options, tokens, group.wanted, sink, group.ask?.cursor)
  }

  // A page that is left or frozen lets go, lest the others wait for it.
  for (const type of ["pagehide", "freeze"])
    addEventListener(type, () => {
      standDown()
      endAll({ ...lost, reconnect: true })
    }, { capture: true, signal: events.signal })
  return {
    async follow(next) {
      for (;;) {
        const its = source
        try {
          return await its.follow(next)
        } catch (e) {
          if (its === source) throw e // else it has gone alone
        }
      }
    },
    close: () => source.close(),
  }
}
