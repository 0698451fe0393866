// Long polling: ask, wait for the answer, ask again with its last id. What is answered is
// handed on as the frames that a connection would have sent.

import { fetched, type Frame, type Open, sleep } from "./link"
import { claims } from "./token"

const most = 256, large = 100_000 // an answer that has so many events, or characters, may not be all

export const openPoll: Open = (ask, frame, ended) =>
  fetched(ask, ended, async c => { // the next poll says it all
    ask.token = c.token ?? ask.token
    ask.subjects = c.set ?? ask.subjects
  }, async (get, over) => {
    let presence: string | undefined
    let opened = false
    for (let wait = 0; ; ) {
      const asked = Date.now(), decoder = new TextDecoder()
      const tell = (type: string, data?: any, id?: string) => over.aborted || frame({ type, data, id })
      // A poll says nothing while it waits: 25 seconds of silence are much.
      const open = () => {
        if (!opened) tell("weft.open", { keepalive: 10 })
        opened = true
      }
      const reader = (await get([["wait", wait + "s"], ["presence", presence]])).body!.getReader()
      let text = ""
      for (;;) {
        const { value, done } = await reader.read()
        text += decoder.decode(value, { stream: !done })
        if (done) break
        // An answer may have a megabyte. Over a slow line it is no silence while it comes.
        if (text.startsWith('{"events":[')) open()
        if (opened) tell("weft.part")
      }
      const answer = JSON.parse(text), events: Frame[] = [...answer.events] // or it is none of Weft's, and nothing is open
      open()
      for (const r of answer.resets ?? []) tell("weft.reset", r)
      if (presence !== (presence = answer.presence_id ?? presence)) for (const p of answer.presence) tell("weft.presence", p)
      for (const f of events) over.aborted || frame(f)
      ask.cursor = answer.last_event_id || ask.cursor // some nodes had none for a poll that ended at once
      // By what the server sent, not by what is made of it: a payload may be spaces for the most part.
      tell("weft.keepalive", { all: !events[most - 1] && text.length < large }, ask.cursor)
      if (answer.close) return answer.close
      // A node that stops has nothing to wait for.
      if (wait && !events[0] && Date.now() - asked < 1000) await sleep(500)
      // A poll ends before its token does: the next one brings the new one.
      const left = claims(ask.token).exp! - Date.now() / 1000
      wait = left > 0 && left < 16 ? Math.max(1, ~~left - 1) : 15
    }
  })
