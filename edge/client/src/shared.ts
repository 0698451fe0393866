// Whether tabs share, and the module that does it (tabs.ts), which a page loads only then: it is
// a file of its own beside this one.

import { connection, openers, type Sink, type Source } from "./connection"
import { sleep } from "./link"
import { seam } from "./seam"
import type { Tokens } from "./token"
import type { Options, Wanted } from "./types"

/** Follows events over the connection of all tabs, where there are such: not in Node, nor where a
 * page is not secure, nor where the other module cannot be had. */
export function follow(url: URL, options: Options, tokens: Tokens, subjects: Wanted[], sink: Sink): Source {
  const own = () => connection(url, options, tokens, subjects, sink)
  // Who has locks has a BroadcastChannel, too.
  if (options.shared === false || !globalThis.document || !navigator.locks) return own()
  let source: Source | undefined, closed = false
  const late = sleep(10_000).then(() => { throw 0 })
  const ready = Promise.race([import("./tabs"), late]).then(m => {
    if (m.version !== seam) throw 0
    return () => m.share(url, options, tokens, subjects, sink, connection, openers.poll)
  }).catch(() => own).then(open => {
    if (!closed) source = open()
  })
  return {
    async follow(next) {
      subjects = next
      await ready
      await source?.follow(next)
    },
    close() {
      closed = true
      source ? source.close() : sink.state({ state: "closed", reason: "closed" })
    },
  }
}
