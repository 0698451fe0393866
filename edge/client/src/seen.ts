// Which events have come already: over two connections at once, or again after one was lost.

const remembered = 2000 // ids

/** Tells whether an event is new, by its id; it remembers the last ones, or all. */
export function isNewOf() {
  const seen = new Set<string>()
  return (id?: string, all?: unknown) => {
    const isNew = !id || !seen.has(id)
    if (id) seen.add(id)
    if (seen.size > remembered && !all) seen.delete(seen.values().next().value!)
    return isNew
  }
}
