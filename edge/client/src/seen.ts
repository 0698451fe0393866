// Which events have come already: over two connections at once, or again after one was lost.

const remembered = 2000 // ids
const most = 100_000 // on top of that

/** Tells whether an event is new, by its id; it remembers the last ones. What comes while all are
 * to be remembered is forgotten by as many new ones later: another connection may bring it again, in
 * another order, or when it has stood still. */
export function isNewOf() {
  const seen = new Set<string>()
  let more = 0
  return (id?: string, all?: unknown) => {
    if (!id) return true
    if (seen.has(id)) return false
    seen.add(id)
    more = all ? Math.min(most, more + 1) : Math.max(0, more - 1)
    while (seen.size > remembered + more) seen.delete(seen.values().next().value!)
    return true
  }
}
