// What a page seldom needs at once is a module of its own, beside this one: the other transports,
// and publishing. It is loaded when it is wanted, or as soon as there is a connection.

import { failure, type Link, type Open, unreachable } from "./link"
import { seam } from "./seam"

export const later = () => import("./more").then(m => {
  if (m.version !== seam) throw 0 // it is of another version, as while nodes are upgraded
  return m
}).catch(() => { throw failure("unreachable") })

/** The transport of that name, as soon as the module is there. */
export const laterOpen = (name: "openSSE" | "openPoll"): Open => (ask, frame, ended) => {
  let link: Link | undefined, over = false
  later().then(m => over || (link = m[name](ask, frame, ended)), () => over || ended(unreachable))
  return {
    command: c => link!.command(c), // which is open then
    close() {
      over = true
      link?.close()
    },
  }
}
