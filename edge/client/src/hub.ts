// The hub of the tab that leads: the one connection, which follows what all tabs want.

import type { Source } from "./connection"
import { type Asked, type Group, lag, type Said, without } from "./group"
import { type Ending, type Frame, lost, nameOf, outdated, sleep } from "./link"
import type { State, Wanted } from "./types"

const gatherTime = 100 // for so long a hub waits for what those want who go on with it
const kept = 200_000 // characters of what came last

/** Opens a hub; returns what closes it. */
export function hub(group: Group): () => void {
  const name = Math.random() + "", channel = new BroadcastChannel(group.key), me = group.me!
  const wants = new Map<string, Wanted[]>(), present = new Map<string, Frame>()
  const waiting: (() => void)[] = [] // for the connection to be open
  let n = 0, over = false
  let source: Source | undefined, followed: string
  let from = group.place, cursor = from, open: object | undefined
  let is: State = { state: "connecting" }
  let heard = 0, keepalive = 0
  let recent: [at: number, size: number, frame: Frame][] = [] // what came last: all since then
  let since: number | undefined, size = 0
  let turn = Promise.resolve()

  // A page that is frozen may be asked, though it hears nothing of the network any more; and one
  // that has just woken up will find out.
  const isOpen = () => is.state === "open" && Date.now() - heard < 2.5 * keepalive

  const say = (m: Partial<Said>) => over || channel.postMessage({ hub: name, n: n++, at: Date.now(), ...m })

  // union is what all want together; each takes its own of it.
  function union() {
    const all = new Map<string, Wanted>()
    for (const w of [group.wanted, ...wants.values()].flat()) {
      const subject = nameOf(w), had = all.get(subject) ?? w
      // What the token brings comes to who does not name it in all its types.
      all.set(subject, JSON.stringify(had) === JSON.stringify(w) && (w === subject || !me.subscribe.includes(subject)) ? w : { subject, type: [] })
    }
    return [...all.values()]
  }

  function begin() {
    const all = union()
    followed = JSON.stringify(all)
    source = group.connection(group.url, { ...group.options, since: undefined, persist: undefined }, group.once(), all, { frame, state }, from)
  }

  function forget(at?: number) {
    since = at
    recent = []
    size = 0
  }

  function frame(f: Frame) {
    const { type, data, id } = f
    if (over) return
    heard = Date.now()
    cursor = id ?? cursor
    if (type === "weft.open") {
      keepalive = (data.keepalive ?? 25) * 1000
      if ((data.user ?? me.user) !== me.user) return group.final({ reason: "user_mismatch" })
      open = { ...data, resume: "" } // a reset that follows is told to all; who joins later begins after it
      since ??= heard
      for (const then of waiting.splice(0)) then()
    } else if (type === "weft.unsubscribed") {
      // Or else what is lost to one would be asked for again for another, and be refused to that one.
      for (const [by, want] of wants) wants.set(by, without(want, data.subjects))
      group.wanted = without(group.wanted, data.subjects)
      followed = JSON.stringify(union())
    } else if (type === "weft.presence") present.set(JSON.stringify([data.topic, data.user]), f)
    if (type === "weft.reset") forget(heard) // what is older must not follow it
    if (f.event) {
      const length = JSON.stringify(f).length
      size += length
      recent.push([heard, length, f])
      while (size > kept || recent[0]?.[0] < heard - lag) {
        size -= recent[0][1]
        since = recent.shift()![0]
      }
    }
    if (!/^weft\.(open|expiring|close)$/.test(type!)) say({ frame: f })
  }

  function state(s: State) {
    if (over) return
    const { state, reason = "", detail } = s
    if (state !== "closed") return say({ is: (is = s) })
    if (reason !== "forbidden" || !wants.size) return group.final({ reason, detail })
    // Somebody's wish is to blame: let each be judged by itself.
    wants.clear()
    open = from = undefined
    forget()
    is = { state: "connecting" }
    say({ lead: true })
    begin()
  }

  // change has the connection follow what all want now, and be open.
  async function change() {
    const all = union(), text = JSON.stringify(all)
    if (text !== followed) await source!.follow(all)
    followed = text
    if (!isOpen()) await new Promise<void>(then => waiting.push(then))
  }

  channel.onmessage = ({ data: { by, ask, want, place } }: MessageEvent<Asked>) => {
    if (!by) return
    if (!source && want && place && place === from) {
      wants.set(by, want)
      return say({ to: by, ask, early: true, is })
    }
    const { state, reason = "", detail, retryAt = 0 } = is
    // That the hub's token was old says nothing of the one that asks.
    if (want && /wait|off/.test(state)) return say({ to: by, ask, error: { reason: outdated({ reason }) ? lost.reason : reason, detail, reconnect: true, retry: retryAt && retryAt - Date.now() } })
    if (state !== "open" || isOpen()) say({ is }) // so that it knows that there is a hub
    turn = turn.then(async () => {
      const before = wants.get(by)
      const set = (w?: Wanted[]) => (w ? wants.set(by, w) : wants.delete(by))
      set(want)
      let error: Ending | undefined
      await change().catch(e => {
        set(before)
        error = { reason: e.code, detail: e.message, reconnect: false }
      })
      if (!want || error?.reason === "closed") return
      say({ to: by, ask, error, cursor, open, is, recent: recent.map(([,, f]) => f), isAll: Date.now() - since! > lag })
      if (want.some(w => /^presence/.test(nameOf(w)))) for (const frame of present.values()) say({ frame, only: by })
    }).catch(() => {}) // who asks for what is no list, as one of another version, keeps nobody else waiting
  }

  say({ lead: true, from })
  turn = sleep(from ? gatherTime : 0).then(() => {
    if (!over) begin()
  })
  return () => {
    over = true
    channel.close()
    source?.close()
  }
}
