// What the three transports have in common: a Link is one connection, or one chain of polls.

import type { TransportName, Wanted } from "./types"

/** A frame as the server sends it (docs/protocol.md); its type may be one of Weft's own. */
export interface Frame {
  id?: string
  event?: string
  subject?: string
  type?: string
  data?: any
  ref?: number
  ok?: boolean
  error?: { code: string; detail: string }
}

/** What is asked for. */
export interface Ask {
  url: URL // of the events, without a query
  token?: string
  subjects: Wanted[]
  query: [string, string][] // types, since, device, user
  cursor?: string
}

/** How a link ended: by what the server answered, or a cut. */
export interface Ending {
  /** A code of Weft, or `lost`, `unreachable`. */
  reason: string
  detail?: string
  /** HTTP status, or the code of a WebSocket's close. */
  status?: number
  /** Whether to come back with the same token; undefined when nobody said so. */
  reconnect?: boolean
  /** Wait for so many milliseconds at least. */
  retry?: number
}

export interface Link {
  /** Sends a command ({subscribe}, {set}, {token}, …); resolves with the answer. */
  command(c: object): Promise<Frame>
  close(): void
}

/** Opens a link. All that comes is handed to frame, in order; ended is called once at the end,
 * and not after close(). */
export type Open = (ask: Ask, frame: (f: Frame) => void, ended: (e: Ending) => void) => Link

export const kinds: TransportName[] = ["websocket", "sse", "poll"]

/** The address of the events with what is asked for. */
export function address(ask: Ask, more: [string, string][] = []): URL {
  const u = new URL(ask.url)
  for (const [name, value] of [...ask.query, ...more]) u.searchParams.append(name, value)
  for (const s of ask.subjects) u.searchParams.append("subject", typeof s === "string" ? s : s.subject)
  if (ask.cursor) u.searchParams.set("last_event_id", ask.cursor)
  return u
}

/** Asks by fetch; a page's cookie goes along where there is no token. */
export const request = (url: URL, ask: Ask, init: RequestInit & { headers?: Record<string, string> } = {}) =>
  fetch(url, {
    ...init,
    cache: "no-store",
    credentials: ask.token ? "same-origin" : "include",
    headers: { ...(ask.token && { Authorization: "Bearer " + ask.token }), ...init.headers },
  })

/** The ending that a refused request is. */
export async function refusal(r: Response): Promise<Ending> {
  const problem = await r.json().catch(() => ({}))
  const after = Number(r.headers.get("Retry-After"))
  return { reason: problem.code ?? "status " + r.status, detail: problem.detail, status: r.status, retry: after * 1000 || undefined }
}
