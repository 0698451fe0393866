// What a page seldom needs at once is a module of its own, beside this one: the other transports,
// and publishing. It is loaded when it is wanted, or as soon as there is a connection.

import { failure, type Link, type Open, unreachable } from "./link"
import { seam } from "./seam"

let failed = 0

// Gecko, once it has failed to load a module, does not ask again, nor does any browser for one of
// another version: a query makes it another one. It is for the browser, not for a bundler.
const again = () => import(/* webpackIgnore: true */ /* @vite-ignore */ import.meta.url.replace(/[^/]*$/, "client-more.js?" + failed)) as Promise<typeof import("./more")>

export const later = () => (failed ? again() : import("./more")).then(m => {
  if (m.version !== seam) throw 0 // it is of another version, as while nodes are upgraded
  return m
}).catch(() => {
  failed++
  throw failure("unreachable")
})

/** The transport of that name, as soon as the module is there. */
export const laterOpen = (name: "sse" | "poll"): Open => (ask, frame, ended) => {
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
