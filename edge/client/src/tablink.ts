// A tab's link to the hub of the tab that leads, which is its own or another (tabs.ts).

import { type Group, lag, type Said, without } from "./group"
import { at, type Ending, type Frame, lost, nameOf, type Open, refusal, request, unreachable } from "./link"
import { seam } from "./seam"
import { isNewOf } from "./seen"
import type { State, Wanted } from "./types"
import { covers } from "./wanted"

const answerTime = 5000 // a hub that says nothing for so long, though asked, is frozen
const checkTime = 30_000 // as often a link asks whether its token, or who has signed in, is still good
const held = 30_000 // what a hub has said meanwhile, at most

/** What a link needs of its tab. */
export interface Tab {
  group: Group
  links: Set<(e: Ending) => void>
  /** Joins the group of this name. */
  enter(key: string): void
  steal(): void
  /** Follows by a connection of its own. */
  goAlone(): void
  /** Whether its hub is the one. */
  leads(): boolean
  /** How the connection of the hub is. */
  hubIs(s: State): void
}

const isTooMuch = (e: Ending) => e.reconnect === false && /^(bad_r|lim)/.test(e.reason)

// What is not for a page is known to it, too, and moves its place: a hub may say it again.
const passed = ({ id, event }: Frame): Frame => ({ type: "weft.keepalive", id, event })

/** Opens a link: finds out who this is, asks the hub to follow, and gets in step with it. Links in a
 * row that were not answered are counted. */
export const linkOf = (tab: Tab, unanswered = 0): Open => (ask, frame, ended) => {
  const { group } = tab, { url, options } = group
  const id = Math.random() + "", questions = new Map<number, (m: Partial<Said>) => void>()
  let channel: BroadcastChannel | undefined
  let hub = "", n = 0 // whom this link hears, and what it has heard of it
  let asks = 0, joins = 0
  let late = 0, began = 0, spent = 0 // since when it hears late, and for how long its handlers took since it began to count
  let is: State | undefined // how the hub is
  let opened = false, live = false, gone = false, busy = false // the hub
  let waiting: Map<unknown, Frame> | undefined // what the hub has said while this link gets in step, and no poll has brought
  let isNew = isNewOf()
  let poll: { close(): void } | undefined
  let limit: ReturnType<typeof setTimeout>, settled: typeof limit, check: typeof limit
  group.ask = ask

  function close() {
    gone = true
    tab.links.delete(end)
    unstep()
    clearTimeout(check)
    channel?.postMessage({ by: id })
    channel?.close()
    for (const then of questions.values()) then({ error: lost })
    // What has a connection, or says nothing, and does not answer one link after the other is broken.
    if (!busy && questions.size && ++unanswered > 2) tab.goAlone()
  }
  const end = (e: Ending) => {
    if (gone) return
    close()
    ended(e)
  }
  tab.links.add(end)

  // take hands on what of all that comes is for this tab; the rest only moves its place.
  function take(f: Frame, twice?: boolean) {
    const { type, data, subject, id } = f
    const ends = type === "weft.unsubscribed"
    // The hub of this tab does not want any more what ends, which the page has not been told yet.
    const isMine = (s: string) => [...group.me!.subscribe, ...(ends ? ask.subjects : group.wanted)].some(w => covers(nameOf(w), s))
    ask.cursor = id ?? ask.cursor
    if (live) group.place = ask.cursor
    if (ends || type === "weft.reset") {
      const subjects = data.subjects.filter(isMine)
      if (ends) {
        group.wanted = without(group.wanted, subjects)
        ask.subjects = without(ask.subjects, subjects)
      }
      if (subjects[0]) frame({ ...f, data: { ...data, subjects } })
    } else frame(!subject || isMine(subject) ? f : passed(f), twice)
  }

  // unstep: what the hub says is not taken, nor is the place of this link one to go on from.
  function unstep() {
    if (live) group.place = undefined
    live = false
    waiting = undefined
    poll?.close()
    clearTimeout(limit)
    clearTimeout(settled)
  }
  // step goes on with the hub, after what it has said meanwhile. A reset among that was the hub's
  // own: this link has asked the server for itself.
  function step(rest: Iterable<Frame> = []) {
    unstep()
    live = true
    group.place = ask.cursor
    if (is) tab.hubIs(is)
    for (const f of rest) if (f.type !== "weft.reset") take(f)
  }

  const question = (want: Wanted[], place?: string) => new Promise<Partial<Said>>(then => {
    questions.set(++asks, then)
    channel!.postMessage({ by: id, ask: asks, want, place })
  })

  // join gets in step with a hub. It is at once, if the hub goes on from the place of this link.
  async function join(place?: string) {
    const my = ++joins
    unstep()
    limit = setTimeout(tab.steal, answerTime)
    const { error, early, cursor, open, is: state, recent, isAll } = await question(group.wanted, place)
    if (my !== joins || gone) return
    // Together it is more than a connection may follow.
    if (error) return isTooMuch(error) ? tab.goAlone() : end(error)
    tab.hubIs((is = state!))
    if (early) return step()
    const isOpen = () => {
      if (!opened) frame({ type: "weft.open", data: open, id: ask.cursor })
      opened = true
    }
    if (!ask.cursor && !ask.query.some(([name, value]) => name === "since" && value)) {
      ask.cursor = cursor // which weft.open brings to whoever loses this link before anything else comes
      isOpen()
      recent?.forEach(({ event }) => frame(passed({ event })))
      return step()
    }
    // What the node that is asked may not have yet has been said by the hub of late. If the hub
    // does not know all of that, or this link has no place yet and cannot tell what of it is from
    // before it, the node is asked until it has it.
    waiting = new Map(ask.cursor ? recent?.map(f => [f.event, f]) : null)
    let time = ask.cursor && isAll
    isNew = isNewOf()
    const catchUp = () => {
      let asked = Date.now()
      poll?.close()
      poll = group.openPoll({ ...ask }, f => {
        if (f.type === "weft.open") return isOpen()
        take(f, true) // the hub's connection may stand still, and bring it when it goes on
        isNew(f.event)
        waiting?.delete(f.event)
        // A page that is told to load its state anew has what was before.
        if (f.type === "weft.reset") for (const [key, { subject }] of waiting ?? []) if (subject && f.data.subjects.some((s: string) => covers(s, subject))) waiting!.delete(key)
        if (f.type !== "weft.keepalive") return
        // An answer that was long in coming may be old, or that of a node that did not get at all there is.
        const done = f.data.all && Date.now() - asked < lag
        asked = Date.now()
        if (time) done ? step(waiting?.values()) : catchUp()
      }, end)
    }
    catchUp()
    if (!time) settled = setTimeout(() => {
      time = true
      catchUp()
    }, lag)
  }

  // hear sorts what a hub says: a new one is joined anew, an answer is for who asked, and a number
  // that is missing means that something was lost.
  function hear(m: Said) {
    if (!m.hub) return
    clearTimeout(limit)
    busy ||= !!m.is && m.is.state !== "open"
    if (m.lead) return void join(live && m.from === ask.cursor ? m.from : undefined)
    if (m.to === id) {
      // One that has woken up answers what another has answered: who of them is there will be seen.
      if (![...questions.keys()].some(n => n <= m.ask!)) return void (m.hub !== hub && join())
      hub = m.hub
      n = m.n
      unanswered = 0
      // Earlier ones were of a hub that is gone; what they asked for is in this one.
      for (const [n, answer] of questions)
        if (n <= m.ask!) {
          questions.delete(n)
          answer(m)
        }
    } else if (m.hub === hub && m.n !== ++n) join()
    else if (m.hub === hub) {
      const now = Date.now()
      // A channel keeps all for who does not keep pace, and a hub is as slow as its tab's handlers;
      // a connection of its own keeps back only who has it.
      late = now - m.at > lag ? late || now : 0
      if (now - began > lag) {
        if (tab.leads() && spent > 0.8 * (now - began)) return tab.goAlone()
        began = now
        spent = 0
      }
      if ((late && now - late > lag) || waiting?.size! > held) return tab.goAlone()
      if (m.is) {
        is = m.is
        if (!waiting) tab.hubIs(is) // what this link asks itself comes, however the hub is
        if (opened) frame({ type: "weft.keepalive" })
      }
      if (m.frame && (m.only ?? id) === id) waiting ? isNew(m.frame.event) && waiting.set(m.frame.event ?? m.frame, m.frame) : live && take(m.frame)
      spent += Math.min(1000, Date.now() - now) // once is no habit
    }
  }

  // prove finds out who this is by its token, and so to which group it belongs.
  async function prove(token?: string) {
    const r = await request(at("me", url, [["user", options.user]]), token, { signal: AbortSignal.timeout(10_000) })
    if (!r.ok) throw await refusal(r)
    const me = await r.json().catch(() => {})
    if (gone) return
    if (!me?.subscribe) throw { reason: "not_found" } // somebody between has answered
    const { user, session, subscribe, allow, check: isAsked, expires } = me
    if (group.me && group.me.user !== user) throw { reason: "user_mismatch", reconnect: false }
    group.me = me
    recheck(Date.parse(expires!) - Date.now() + 1000)
    // What is in no list is asked of a back end, for each session.
    const key = `weft ${seam} ` + JSON.stringify([url, user, subscribe, allow, isAsked && session, options.types, options.transports, options.device])
    const other = key !== group.key
    // What is granted no more must not be asked for anew: all would be refused.
    const less = ask.subjects.map(nameOf).filter(s => ![...subscribe, ...allow].some((g: string) => covers(g, s)))
    if (channel && !isAsked && less[0]) take({ type: "weft.unsubscribed", data: { subjects: less, reason: "unauthorised" } })
    tab.enter(key)
    if (channel && other) return end({ ...lost, reconnect: true })
    if (channel) return
    channel = new BroadcastChannel(key)
    channel.onmessage = e => hear(e.data)
    join()
  }
  // recheck asks from time to time, and when the token should have ended: whether it has, the server
  // knows, since a page's clock may be wrong. It need not where the server ends what is this tab's own
  // connection; each poll is by the cookie that there is then.
  function recheck(left = 0) {
    clearTimeout(check)
    check = setTimeout(() => {
      if (tab.leads() && (ask.token || is?.transport !== "poll")) recheck()
      else prove(ask.token).catch(e => (e.reconnect === false ? end(e) : gone || recheck()))
    }, left > 0 ? Math.min(checkTime, left) : checkTime)
  }
  const proven = (token?: string) => prove(token).catch(e => {
    if (/^(status 4|not_f)/.test(e.reason)) tab.goAlone()
    else end(e.reason ? e : { ...unreachable, reconnect: true })
  })
  proven(ask.token)

  return {
    async command({ set, token }) {
      if (token) await proven((ask.token = token))
      if (!set) return
      const before = group.wanted
      group.wanted = set
      const { error } = await question(set)
      if (!error) ask.subjects = set
      else {
        group.wanted = before
        if (isTooMuch(error)) tab.goAlone()
      }
      return error
    },
    close: () => gone || close(),
  }
}
