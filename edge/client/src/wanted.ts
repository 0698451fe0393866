// What of all that comes somebody wants, as the server judges it (docs/http.md).

import { type Frame, nameOf } from "./link"
import type { Wanted } from "./types"

/** Whether a type is one, such as `order.paid`, `order.*`, `*`. */
export const typed = (pattern: string, type = "") => (pattern.endsWith("*") ? type.startsWith(pattern.slice(0, -1)) : type === pattern)

/** Whether a subject is one, such as `topic.hotel.42`, `topic.*.42`, `topic.>`. */
export const covers = (pattern: string, subject: string) =>
  pattern === subject || (/[*>]/.test(pattern) && RegExp("^" + pattern.replaceAll(".", "\\.").replaceAll("*", "[^.]+").replace(">", ".+") + "$").test(subject))

/** Whether an event is of a type that is wanted: of its subject, else of all. */
export function wants(wanted: Iterable<Wanted>, types: string[] | undefined, { subject, type }: Frame) {
  const of = [...wanted].filter(w => covers(nameOf(w), subject!))
  return (of.length ? of : [""]).some(w => {
    const some = (w as { type?: string[] }).type ?? types
    return !some?.length || some.some(t => typed(t, type))
  })
}
