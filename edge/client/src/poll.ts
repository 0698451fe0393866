// Long polling: ask, wait for the answer, ask again with its last id. What is answered is
// handed on as the frames that a connection would have sent.

import { fetched, type Open, sleep } from "./link"

export const openPoll: Open = (ask, frame, ended) =>
  fetched(ask, ended, async c => { // the next poll says it all
    ask.token = c.token ?? ask.token
    ask.subjects = c.set ?? ask.subjects
  }, async (get, over) => {
    let presence: string | undefined
    for (let wait = "0s"; ; wait = "15s") {
      const asked = Date.now()
      const answer = await (await get([["wait", wait], ["presence", presence]])).json()
      const tell = (type: string, data: any, id?: string) => over.aborted || frame({ type, data, id })
      // A poll says nothing while it waits: 25 seconds of silence are much.
      if (wait < "1") tell("weft.open", { keepalive: 10 })
      for (const r of answer.resets ?? []) tell("weft.reset", r)
      if (presence !== (presence = answer.presence_id ?? presence)) for (const p of answer.presence) tell("weft.presence", p)
      for (const f of answer.events) over.aborted || frame(f)
      ask.cursor = answer.last_event_id
      tell("weft.keepalive", {}, ask.cursor)
      if (answer.close) return answer.close
      // A node that stops has nothing to wait for.
      if (wait > "1" && !answer.events[0] && Date.now() - asked < 1000) await sleep(500)
    }
  })
