// What the three transports have in common: a Link is one connection, or one chain of polls.

import type { Wanted, WeftError } from "./types"

/** A frame as the server sends it (docs/protocol.md); its type may be one of Weft's own. */
export interface Frame {
  id?: string
  event?: string
  subject?: string
  type?: string
  data?: any
  ref?: number
  error?: { code: string; detail?: string }
}

/** What is asked for. */
export interface Ask {
  url: URL // of the events, without a query
  token?: string
  subjects: Wanted[]
  query: [string, string | undefined][] // types, since, device, user
  cursor?: string
}

/** How a link ended, or why a command is refused: by what Weft said, or by a cut. */
export interface Ending {
  /** A code of Weft, or `lost`, `unreachable`, `silent`, or `status …` of who is not Weft. */
  reason: string
  detail?: string
  /** Whether coming back with the same token can help; undefined when Weft has not spoken. */
  reconnect?: boolean
  /** Wait for so many milliseconds at least. */
  retry?: number
}

export interface Link {
  /** Sends a command. Resolves with nothing when it is in force, else with what is wrong. */
  command(c: { set?: Wanted[]; token?: string; last_event_id?: string }): Promise<Ending | void>
  close(): void
}

/** Opens a link. All that comes is handed to frame, in order, with twice if it may come again much
 * later; ended is called once at the end, and not after close(). */
export type Open = (ask: Ask, frame: (f: Frame, twice?: boolean) => void, ended: (e: Ending) => void) => Link

export const lost: Ending = { reason: "lost" }
export const unreachable: Ending = { reason: "unreachable" }

export const nameOf = (s: Wanted) => (s as { subject: string }).subject ?? s
export const sleep = (ms: number) => new Promise(then => setTimeout(then, ms))
export const failure = (code: string, detail?: string): WeftError => Object.assign(new Error(detail || code), { code })

/** Whether a new token may mend what ended: it is missing, bad or expired, not revoked. */
export const outdated = (e: Ending) => /^(expired|token_[mie])/.test(e.reason)

/** How long to wait before trying again, in milliseconds: longer each time, and never all at once. */
export const backOff = (tries: number, retry = 0) => Math.max(retry, Math.min(20_000, 500 * 2 ** tries) * (0.5 + Math.random()))

/** An address with what there is of a query. */
export function at(path: string | URL, url: URL, query: Iterable<[string, string | undefined]>): URL {
  const u = new URL(path, url)
  for (const [name, value] of query) if (value) u.searchParams.append(name, value)
  return u
}

/** The address of the events with what is asked for. */
export const address = ({ url, subjects, query, cursor }: Ask, more: Ask["query"] = []) =>
  at(url, url, [...query, ...more, ["last_event_id", cursor], ...subjects.map(s => ["subject", nameOf(s)] as [string, string])])

/** Asks by fetch; a page's cookie goes along where there is no token. */
export const request = (url: URL, token: string | undefined, init: RequestInit) =>
  fetch(url, {
    cache: "no-store",
    credentials: token ? "same-origin" : "include",
    ...init,
    headers: { ...(init.headers as Record<string, string>), ...(token && { Authorization: "Bearer " + token }) },
  })

/** The ending that a refused request is. */
export async function refusal(r: Response): Promise<Ending> {
  // JSON of others may have a code, too.
  const { code, detail } = /problem/.test(r.headers.get("Content-Type")!) ? await r.json() : ({} as any)
  return {
    reason: "" + (code ?? "status " + r.status),
    detail,
    reconnect: code && (r.status === 429 || r.status > 499),
    retry: Number(r.headers.get("Retry-After")) * 1000 || 0,
  }
}

/** A link that is read by fetch: run ends by throwing how it ended. */
export function fetched(ask: Ask, ended: (e: Ending) => void, command: Link["command"], run: (get: (more: Ask["query"], headers?: Record<string, string>) => Promise<Response>, over: AbortSignal) => Promise<Ending>): Link {
  const over = new AbortController(), { signal } = over
  run(async (more, headers) => {
    const r = await request(address(ask, more), ask.token, { headers, signal })
    if (!r.ok) throw await refusal(r)
    return r
  }, signal).catch(e => (e.reason ? e : unreachable)).then(e => {
    if (signal.aborted) return
    over.abort()
    ended(e)
  })
  return { command, close: () => over.abort() }
}
